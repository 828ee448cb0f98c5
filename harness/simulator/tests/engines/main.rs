//! What both engines must do alike: the same bodies, played in each.

mod both;
mod calls;
mod groups;
mod hits;
