//! Lets a release build take in the page of the browser's client whenever it was built anew.
//!
//! Debug builds read `web/dist` when somebody asks for it, so nothing needs to be built again there.

use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        // Cargo takes a folder that is missing for one that always changes.
        let _ = fs::create_dir_all("web/dist");
        println!("cargo::rerun-if-changed=web/dist");
    }
}
