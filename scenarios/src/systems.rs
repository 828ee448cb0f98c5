//! The systems that scenario files can name.

use crate::chat::Chat;
use crate::tutorial::Tutorial;
use squall::{Known, Systems};

/// The chat, and that of Socket.IO's tutorial.
pub static SYSTEMS: &Systems = &[Known::of::<Chat>(), Known::of::<Tutorial>()];
