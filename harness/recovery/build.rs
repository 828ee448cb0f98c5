//! Tells crates that depend on this one where its sources are: `squall-planted` copies them.

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo::metadata=ROOT={root}");
    println!("cargo::rerun-if-changed=build.rs");
}
