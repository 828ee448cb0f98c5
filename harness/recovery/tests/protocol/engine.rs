//! Engine.IO, version 4 of its protocol.

use crate::server::{PING_INTERVAL, PING_TIMEOUT};
use crate::wire::{Answer, SEPARATOR, servers};
use http::StatusCode;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const OK: StatusCode = StatusCode::OK;
const BAD_REQUEST: StatusCode = StatusCode::BAD_REQUEST;

// Handshake

#[tokio::test(start_paused = true)]
async fn e01_polling_opens_a_session() {
    for server in servers() {
        let polling = server.poll().await;
        let handshake = &polling.handshake;
        assert_eq!(handshake["upgrades"], json!(["websocket"]));
        assert_eq!(handshake["pingInterval"], 300);
        assert_eq!(handshake["pingTimeout"], 200);
        assert_eq!(handshake["maxPayload"], 1_000_000);
        assert_eq!(handshake.as_object().unwrap().len(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn e02_polling_is_refused_with_another_version() {
    for server in servers() {
        for query in ["transport=polling", "EIO=abc&transport=polling"] {
            let answer = server.request("GET", query, "").await;
            assert_eq!(answer.status, BAD_REQUEST, "{query}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e03_polling_is_refused_with_another_transport() {
    for server in servers() {
        for query in ["EIO=4", "EIO=4&transport=abc"] {
            let answer = server.request("GET", query, "").await;
            assert_eq!(answer.status, BAD_REQUEST, "{query}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e04_polling_is_refused_with_another_method() {
    for server in servers() {
        for method in ["POST", "PUT"] {
            let answer = server.request(method, "EIO=4&transport=polling", "").await;
            assert_eq!(answer.status, BAD_REQUEST, "{method}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e05_a_websocket_opens_a_session() {
    for server in servers() {
        let (_websocket, handshake) = server.websocket().await;
        assert_eq!(handshake["upgrades"], json!([]));
        assert_eq!(handshake["pingInterval"], 300);
        assert_eq!(handshake["pingTimeout"], 200);
        assert_eq!(handshake["maxPayload"], 1_000_000);
    }
}

#[tokio::test(start_paused = true)]
async fn e06_a_websocket_is_refused_with_another_version() {
    for server in servers() {
        for query in ["transport=websocket", "EIO=abc&transport=websocket"] {
            assert!(server.try_websocket(query).await.is_none(), "{query}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e07_a_websocket_is_refused_with_another_transport() {
    for server in servers() {
        for query in ["EIO=4", "EIO=4&transport=abc"] {
            assert!(server.try_websocket(query).await.is_none(), "{query}");
        }
    }
}

// Message

#[tokio::test(start_paused = true)]
async fn e08_a_payload_has_one_packet() {
    for server in servers() {
        let polling = server.poll().await;
        polling.send("40").await;
        let said = polling.said().await;
        server.greeting(&said[0], "");
    }
}

#[tokio::test(start_paused = true)]
async fn e09_a_payload_has_several_packets() {
    for server in servers() {
        let polling = server.poll().await;
        polling.send("40").await;
        polling.said().await;
        let one = r#"42["message","one"]"#;
        let two = r#"42["message","two"]"#;
        polling.send(&format!("{one}{SEPARATOR}{two}")).await;
        let mut said = polling.said().await;
        while said.last().is_none_or(|last| !last.contains("two")) {
            said.extend(polling.said().await);
        }
        said.retain(|packet| !packet.contains("auth"));
        assert_eq!(
            said,
            [one, two].map(|it| it.replace("message", "message-back"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn e10_a_payload_has_bytes_in_base64() {
    for server in servers() {
        let polling = server.poll().await;
        polling.send("40").await;
        polling.said().await;
        let header = r#"451-["message",{"_placeholder":true,"num":0}]"#;
        polling.send(&format!("{header}{SEPARATOR}bAQIDBA==")).await;
        let mut said = polling.said().await;
        while said.last().is_none_or(|last| !last.starts_with('b')) {
            said.extend(polling.said().await);
        }
        let header = header.replace("message", "message-back");
        assert_eq!(said[said.len() - 2..], [&*header, "bAQIDBA=="]);
    }
}

#[tokio::test(start_paused = true)]
async fn e11_a_payload_that_is_none_ends_the_session() {
    for server in servers() {
        let polling = server.poll().await;
        assert_eq!(polling.post("abc").await.status, BAD_REQUEST);
        assert!(!polling.is_open().await, "{}", server.name);
    }
}

#[tokio::test(start_paused = true)]
async fn e12_two_polls_at_a_time_end_the_session() {
    for server in servers() {
        let polling = server.poll().await;
        // The first ping comes at once.
        assert_eq!(polling.get().await.body, "2");
        polling.send("3").await;
        let (first, second) = tokio::join!(polling.get(), polling.get());
        assert!(
            [first.status, second.status].contains(&BAD_REQUEST),
            "{}: {first:?}, {second:?}",
            server.name
        );
        assert!(!polling.is_open().await, "{}", server.name);
    }
}

#[tokio::test(start_paused = true)]
async fn e13_a_websocket_carries_text() {
    for server in servers() {
        let mut websocket = server.connected().await;
        websocket.send(r#"42["message","one"]"#).await;
        assert_eq!(websocket.said().await, r#"42["message-back","one"]"#);
    }
}

#[tokio::test(start_paused = true)]
async fn e14_a_websocket_carries_bytes() {
    for server in servers() {
        let mut websocket = server.connected().await;
        let header = r#"451-["message",{"_placeholder":true,"num":0}]"#;
        websocket.send(header).await;
        websocket.send_bytes(&[1, 2, 3, 4]).await;
        let header = header.replace("message", "message-back");
        assert_eq!(websocket.said().await, header);
        assert_eq!(websocket.bytes().await, [1, 2, 3, 4]);
    }
}

#[tokio::test(start_paused = true)]
async fn e15_a_packet_that_is_none_ends_the_connection() {
    for server in servers() {
        let (mut websocket, _) = server.websocket().await;
        websocket.send("abc").await;
        websocket.ends().await;
    }
}

// Heartbeat

#[tokio::test(start_paused = true)]
async fn e16_polling_has_a_heartbeat() {
    for server in servers() {
        let polling = server.poll().await;
        for _ in 0..3 {
            assert_eq!(polling.get().await.body, "2");
            polling.send("3").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e17_polling_without_pongs_ends() {
    for server in servers() {
        let polling = server.poll().await;
        sleep(PING_INTERVAL + PING_TIMEOUT + Duration::from_millis(1)).await;
        assert!(!polling.is_open().await, "{}", server.name);
    }
}

#[tokio::test(start_paused = true)]
async fn e18_a_websocket_has_a_heartbeat() {
    for server in servers() {
        let (mut websocket, _) = server.websocket().await;
        for _ in 0..3 {
            assert_eq!(websocket.next().await.unwrap(), "2");
            websocket.send("3").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e19_a_websocket_without_pongs_ends() {
    for server in servers() {
        let (mut websocket, _) = server.websocket().await;
        let opened = Instant::now();
        websocket.ends().await;
        let lasted = opened.elapsed();
        // Timers in tokio are a millisecond late.
        let most = PING_INTERVAL + PING_TIMEOUT + Duration::from_millis(2);
        assert!(lasted >= PING_TIMEOUT && lasted <= most, "{lasted:?}");
    }
}

// Close

#[tokio::test(start_paused = true)]
async fn e20_polling_is_closed_by_the_client() {
    for server in servers() {
        let polling = server.poll().await;
        assert_eq!(polling.get().await.body, "2");
        polling.send("3").await;
        let close = async {
            sleep(Duration::from_millis(1)).await;
            polling.send("1").await;
        };
        let (poll, ()) = tokio::join!(polling.get(), close);
        let noop = Answer {
            status: OK,
            body: "6".to_owned(),
        };
        assert_eq!(poll, noop, "{}", server.name);
        assert!(!polling.is_open().await, "{}", server.name);
    }
}

#[tokio::test(start_paused = true)]
async fn e21_a_websocket_is_closed_by_the_client() {
    for server in servers() {
        let (mut websocket, _) = server.websocket().await;
        websocket.send("1").await;
        websocket.ends().await;
    }
}

// Upgrade

#[tokio::test(start_paused = true)]
async fn e22_polling_is_upgraded_to_a_websocket() {
    for server in servers() {
        let polling = server.poll().await;
        let query = format!("EIO=4&transport=websocket&sid={}", polling.sid);
        let mut websocket = server.try_websocket(&query).await.expect("a WebSocket");
        websocket.send("2probe").await;
        assert_eq!(websocket.next().await.unwrap(), "3probe");
        websocket.send("5").await;
        websocket.send("40").await;
        server.greeting(&websocket.said().await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn e23_an_upgraded_session_takes_no_request() {
    for server in servers() {
        let polling = server.poll().await;
        let query = format!("EIO=4&transport=websocket&sid={}", polling.sid);
        let mut websocket = server.try_websocket(&query).await.expect("a WebSocket");
        websocket.send("2probe").await;
        assert_eq!(websocket.next().await.unwrap(), "3probe");
        websocket.send("5").await;
        sleep(Duration::from_millis(1)).await;
        assert_eq!(polling.get().await.status, BAD_REQUEST);
        websocket.send("40").await;
        server.greeting(&websocket.said().await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn e24_an_upgraded_session_takes_no_further_websocket() {
    for server in servers() {
        let polling = server.poll().await;
        let query = format!("EIO=4&transport=websocket&sid={}", polling.sid);
        let mut websocket = server.try_websocket(&query).await.expect("a WebSocket");
        websocket.send("2probe").await;
        assert_eq!(websocket.next().await.unwrap(), "3probe");
        websocket.send("5").await;
        sleep(Duration::from_millis(1)).await;
        if let Some(mut further) = server.try_websocket(&query).await {
            further.ends().await;
        }
        websocket.send("40").await;
        server.greeting(&websocket.said().await, "");
    }
}
