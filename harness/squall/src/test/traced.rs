//! What events of `tracing` mean, as a test says it.

use super::world::World;
use squall_observe::Meaning;
use std::sync::Arc;

impl World {
    /// What the events mean that the programs give to `tracing`, so that they need no calls of
    /// their own: `world.traced([event("order stored").received("order", "order_id")])`, with the
    /// event's message, and the field of it, or of a span around it, that has the id. Events with a
    /// field `squall.sent`, `squall.received`, `squall.acknowledged` or `squall.failed`, which has
    /// the topic, and a field `id`, explain themselves: then `world.traced([])` is enough.
    ///
    /// Each process gets a subscriber for that before its program begins. A program that sets its
    /// own adds a [`layer`](squall_observe::layer) to it, and the test says
    /// [`World::own_subscribers`].
    pub fn traced(&mut self, meanings: impl IntoIterator<Item = Meaning>) {
        let known = self.explained.meanings.get_or_insert_default();
        known.extend(meanings.into_iter().map(Arc::new));
    }

    /// The programs set subscribers of `tracing` themselves, with a
    /// [`layer`](squall_observe::layer) among their layers.
    pub fn own_subscribers(&mut self) {
        self.explained.own_subscribers = true;
    }
}
