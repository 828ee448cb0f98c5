use rumqttc::QoS;
use squall::prelude::*;

fn alarms(world: &mut World, qos: QoS) {
    let broker = world.machine("broker", alarms::broker);
    let monitor = world.machine("monitor", move || alarms::monitor(broker.at(1883), qos));
    let sensors = world.machines(2, "sensor", move |me| {
        alarms::sensor(broker.at(1883), me, qos)
    });
    world.faults(
        partition(broker, any(1, &sensors))
            .between(2..8)
            .lasting(1..10),
    );
    world.faults(one_way(broker, monitor).between(2..8).lasting(1..10));
    world.check(
        at_least_once()
            .sent("sensor", "alarm")
            .received("monitor", "alarm"),
    );
}

#[squall::test(seeds = 50)]
fn every_alarm_arrives(world: &mut World) {
    alarms(world, QoS::AtLeastOnce);
}

#[squall::test(seeds = 50)]
#[should_panic(expected = "monitor never received `")]
fn without_acknowledgements_some_do_not(world: &mut World) {
    alarms(world, QoS::AtMostOnce);
}
