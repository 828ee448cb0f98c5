//! Socket.IO, version 5 of its protocol.

use crate::server::CONNECT_TIMEOUT;
use crate::wire::servers;
use std::time::Duration;
use tokio::time::{Instant, sleep};

// Connect

#[tokio::test(start_paused = true)]
async fn s01_a_client_connects_to_the_main_namespace() {
    for server in servers() {
        let (mut websocket, _) = server.websocket().await;
        websocket.send("40").await;
        server.greeting(&websocket.said().await, "");
        assert_eq!(websocket.said().await, r#"42["auth",{}]"#);
    }
}

#[tokio::test(start_paused = true)]
async fn s02_a_client_connects_to_it_with_a_payload() {
    for server in servers() {
        let (mut websocket, _) = server.websocket().await;
        websocket.send(r#"40{"token":"123"}"#).await;
        server.greeting(&websocket.said().await, "");
        assert_eq!(websocket.said().await, r#"42["auth",{"token":"123"}]"#);
    }
}

#[tokio::test(start_paused = true)]
async fn s03_a_client_connects_to_another_namespace() {
    for server in servers() {
        let (mut websocket, _) = server.websocket().await;
        websocket.send("40/custom,").await;
        server.greeting(&websocket.said().await, "/custom,");
        assert_eq!(websocket.said().await, r#"42/custom,["auth",{}]"#);
    }
}

#[tokio::test(start_paused = true)]
async fn s04_a_client_connects_to_that_with_a_payload() {
    for server in servers() {
        let (mut websocket, _) = server.websocket().await;
        websocket.send(r#"40/custom,{"token":"abc"}"#).await;
        server.greeting(&websocket.said().await, "/custom,");
        let greeting = r#"42/custom,["auth",{"token":"abc"}]"#;
        assert_eq!(websocket.said().await, greeting);
    }
}

#[tokio::test(start_paused = true)]
async fn s05_a_namespace_that_is_not_there_is_refused() {
    for server in servers() {
        let (mut websocket, _) = server.websocket().await;
        websocket.send("40/random").await;
        let refusal = r#"44/random,{"message":"Invalid namespace"}"#;
        assert_eq!(websocket.said().await, refusal);
    }
}

#[tokio::test(start_paused = true)]
async fn s06_a_handshake_that_is_none_ends_the_connection() {
    for server in servers() {
        let (mut websocket, _) = server.websocket().await;
        websocket.send("4abc").await;
        websocket.ends().await;
    }
}

#[tokio::test(start_paused = true)]
async fn s07_a_connection_without_a_namespace_ends() {
    for server in servers() {
        let (mut websocket, _) = server.websocket().await;
        let opened = Instant::now();
        while websocket.next().await.is_some_and(|packet| packet == "2") {
            websocket.send("3").await;
        }
        // Engine.IO's `close` may come before the end of the connection.
        websocket.ends().await;
        let late = opened.elapsed().checked_sub(CONNECT_TIMEOUT);
        let late = late.expect("it had its time");
        assert!(late <= Duration::from_millis(5), "{late:?}");
    }
}

// Disconnect

#[tokio::test(start_paused = true)]
async fn s08_a_client_leaves_the_main_namespace() {
    for server in servers() {
        let mut websocket = server.connected().await;
        websocket.send("41").await;
        sleep(Duration::from_millis(1)).await;
        websocket.send("40").await;
        server.greeting(&websocket.said().await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn s09_a_client_leaves_another_namespace_and_stays_in_the_main_one() {
    for server in servers() {
        let mut websocket = server.connected().await;
        websocket.send("40/custom").await;
        server.greeting(&websocket.said().await, "/custom,");
        assert_eq!(websocket.said().await, r#"42/custom,["auth",{}]"#);
        websocket.send("41/custom").await;
        websocket
            .send(r#"42["message","message to main namespace"]"#)
            .await;
        let echo = r#"42["message-back","message to main namespace"]"#;
        assert_eq!(websocket.said().await, echo);
    }
}

// Message

#[tokio::test(start_paused = true)]
async fn s10_an_event_has_arguments() {
    for server in servers() {
        let mut websocket = server.connected().await;
        websocket.send(r#"42["message",1,"2",{"3":[true]}]"#).await;
        let echo = r#"42["message-back",1,"2",{"3":[true]}]"#;
        assert_eq!(websocket.said().await, echo);
    }
}

#[tokio::test(start_paused = true)]
async fn s11_an_event_has_attachments() {
    let arguments = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    for server in servers() {
        let mut websocket = server.connected().await;
        websocket
            .send(&format!(r#"452-["message",{arguments}]"#))
            .await;
        websocket.send_bytes(&[1, 2, 3]).await;
        websocket.send_bytes(&[4, 5, 6]).await;
        let echo = format!(r#"452-["message-back",{arguments}]"#);
        assert_eq!(websocket.said().await, echo);
        assert_eq!(websocket.bytes().await, [1, 2, 3]);
        assert_eq!(websocket.bytes().await, [4, 5, 6]);
    }
}

#[tokio::test(start_paused = true)]
async fn s12_an_event_is_acknowledged() {
    for server in servers() {
        let mut websocket = server.connected().await;
        let event = r#"42456["message-with-ack",1,"2",{"3":[false]}]"#;
        websocket.send(event).await;
        assert_eq!(websocket.said().await, r#"43456[1,"2",{"3":[false]}]"#);
    }
}

#[tokio::test(start_paused = true)]
async fn s13_an_event_is_acknowledged_with_attachments() {
    let arguments = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    for server in servers() {
        let mut websocket = server.connected().await;
        let event = format!(r#"452-789["message-with-ack",{arguments}]"#);
        websocket.send(&event).await;
        websocket.send_bytes(&[1, 2, 3]).await;
        websocket.send_bytes(&[4, 5, 6]).await;
        assert_eq!(websocket.said().await, format!("462-789[{arguments}]"));
        assert_eq!(websocket.bytes().await, [1, 2, 3]);
        assert_eq!(websocket.bytes().await, [4, 5, 6]);
    }
}

#[tokio::test(start_paused = true)]
async fn s14_a_packet_of_no_known_type_ends_the_connection() {
    for server in servers() {
        let mut websocket = server.connected().await;
        websocket.send("4abc").await;
        websocket.ends().await;
    }
}

#[tokio::test(start_paused = true)]
async fn s15_a_payload_that_is_no_event_ends_the_connection() {
    for server in servers() {
        let mut websocket = server.connected().await;
        websocket.send("42{}").await;
        websocket.ends().await;
    }
}

#[tokio::test(start_paused = true)]
async fn s16_an_id_that_is_no_number_ends_the_connection() {
    for server in servers() {
        let mut websocket = server.connected().await;
        websocket
            .send(r#"42abc["message-with-ack",1,"2",{"3":[false]}]"#)
            .await;
        websocket.ends().await;
    }
}
