//! The service, described in Rust: no protoc is needed.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let assign = Method::builder()
        .name("assign")
        .route_name("Assign")
        .input_type("crate::Visitor")
        .output_type("crate::Seat")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let seats = Service::builder().name("Seats").package("theatre");
    Builder::new().compile(&[seats.method(assign).build()]);
}
