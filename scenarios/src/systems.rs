//! The systems that scenario files can name.

use crate::chat::Chat;
use crate::tutorial::Tutorial;
use squall::{Known, System, Systems};
use std::sync::OnceLock;

/// The chat, and that of Socket.IO's tutorial: what the named scenarios are about.
pub static SYSTEMS: &Systems = &[Known::of::<Chat>(), Known::of::<Tutorial>()];

/// A project's own ones, and then ours.
static ALL: OnceLock<Vec<Known>> = OnceLock::new();

/// Those that a file can name; the first is the default.
pub(crate) fn systems() -> &'static Systems {
    ALL.get().map_or(SYSTEMS, Vec::as_slice)
}

/// From now on, files can name these as well, and are about the first of them unless they say
/// otherwise.
///
/// # Panics
///
/// If one has the name of another one, or of ours.
pub fn install(own: &[Known]) {
    let all = [own, SYSTEMS].concat();
    for (place, system) in all.iter().enumerate() {
        let name = system.name();
        let is_taken = all[..place].iter().any(|it| it.name() == name);
        assert!(!is_taken, "two systems are called `{name}`: rename yours");
    }
    ALL.get_or_init(|| all);
}

/// Whether a file that names this system, or none, is about our chat.
pub(crate) fn is_our_chat(name: Option<&str>) -> bool {
    name.unwrap_or(systems()[0].name()) == Chat::NAME
}
