//! Alarms over MQTT: sensors publish them, a monitor subscribes to them, a broker is between them.

use rumqttc::{AsyncClient, ClientError, Event, MqttOptions, Packet, QoS};
use rumqttd::{Broker, Config};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::sleep;

const TOPIC: &str = "alarms";

/// The broker: rumqttd, with a listener.
pub fn broker() {
    let config: Config = toml::from_str(include_str!("broker.toml")).expect("it is right");
    Broker::new(config).start().expect("it starts");
}

/// A client that keeps its session when its connection breaks.
fn connect(broker: SocketAddr, name: String) -> (AsyncClient, rumqttc::EventLoop) {
    let mut options = MqttOptions::new(name, broker.ip().to_string(), broker.port());
    options.set_keep_alive(Duration::from_secs(5));
    options.set_clean_session(false);
    AsyncClient::new(options, 10)
}

/// A sensor: ten alarms, one a second.
pub async fn sensor(broker: SocketAddr, me: usize, qos: QoS) -> Result<(), ClientError> {
    let (client, mut events) = connect(broker, format!("sensor-{me}"));
    let raising = async {
        for number in 1..=10 {
            let alarm = format!("{me}/{number}");
            squall_observe::sent("alarm", &alarm);
            client.publish(TOPIC, qos, false, alarm).await?;
            sleep(Duration::from_secs(1)).await;
        }
        std::future::pending().await
    };
    let talking = async {
        loop {
            if events.poll().await.is_err() {
                sleep(Duration::from_millis(500)).await;
            }
        }
    };
    tokio::select! {
        failed = raising => failed,
        () = talking => Ok(()),
    }
}

/// The monitor.
pub async fn monitor(broker: SocketAddr, qos: QoS) -> Result<(), ClientError> {
    let (client, mut events) = connect(broker, "monitor".to_owned());
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => client.subscribe(TOPIC, qos).await?,
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let alarm = String::from_utf8_lossy(&publish.payload);
                squall_observe::received("alarm", alarm);
            }
            Ok(_) => {}
            Err(_) => sleep(Duration::from_millis(500)).await,
        }
    }
}
