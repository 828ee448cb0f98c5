//! What a world is: machines, what is between them, and what it promises about them.

mod journal;
mod names;
mod network;
mod ports;
mod promises;
mod sockets;
mod tcp;
