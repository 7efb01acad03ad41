//! Gives the shared library its SONAME: the name that a program records when it links, and asks for when it starts.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The number is MMNAS_ABI_VERSION of src/version.rs. Other systems name their libraries in other ways.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmmnas_runtime.so.1");
        // What is loaded once stays: threads of ONNX Runtime may be inside when a host calls dlclose().
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // Crates that bind C++ export names of their own, which the host may have a different use for.
        println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    }
}
