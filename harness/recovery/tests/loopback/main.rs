//! Recovery as a client sees it: a server with the layer, and a client that speaks the protocol by
//! hand over streams in memory, in virtual time.

mod failing;
mod limits;
mod recovering;
mod refusing;
mod restart;
mod support;
