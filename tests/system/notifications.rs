//! Whoever listens and notifies knows its own notifications by the process id that it was told, and takes no other for them.

use router_proxy::settings::PoolSettings;
use router_proxy::wire::backend as b;
use shunt_tests::one_server::{OneServer, server};
use shunt_tests::raw::{Message, RawClient};

/// The process ids that notifications bear.
fn from(messages: &[Message]) -> Vec<i32> {
    let told = messages.iter().filter(|m| m.tag == b::NOTIFICATION);
    told.map(|m| i32::from_be_bytes(*m.body.first_chunk().expect("a process id")))
        .collect()
}

fn own(client: &RawClient) -> i32 {
    client.key.as_ref().expect("a cancel key").0
}

#[test]
fn a_client_knows_its_own_notifications() {
    let world = OneServer::behind(server(), PoolSettings::default());
    let (mut listener, mut other) = (world.connect(), world.connect());
    listener.simple("listen news").expect("an answer");
    let messages = listener.simple("notify news, 'own'").expect("an answer");
    assert_eq!(from(&messages), [own(&listener)]);
    let told = listener
        .extended("select pg_notify('news', $1)", &[Some("own")], false)
        .expect("an answer");
    assert_eq!(from(&told), [own(&listener)]);
    let messages = listener
        .simple("begin; notify news, 'one'; notify news, 'two'; commit; select 1")
        .expect("an answer");
    assert_eq!(from(&messages), [own(&listener); 2]);

    other
        .simple("notify news, 'another one'")
        .expect("an answer");
    let told = listener.read().expect("a notification");
    assert_eq!(told.tag, b::NOTIFICATION);
    let process = from(&[told])[0];
    assert_ne!(process, own(&listener));
    // It is the server's, whose numbers no client has.
    assert!(process < 1 << 22 && own(&listener) >= 1 << 30, "{process}");
}
