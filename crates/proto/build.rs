//! Compiles the `.proto` files to Rust and to the descriptor set that reflection serves. Needs no protoc.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

const ROOT: &str = "proto";
const PACKAGE: &str = "proto/holdfast/v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(proto_files()?)?;

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("holdfast.v1.fds"), compiler.encode_file_descriptor_set())?;
    // Without `build_transport` no generated client can open a connection of its own: every channel comes from the
    // transport crate, with mutual TLS.
    tonic_prost_build::configure()
        .btree_map(".")
        .build_transport(false)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// Every `.proto` file, sorted, so that the descriptor set is the same on every machine.
fn proto_files() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new(PACKAGE))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path.strip_prefix(ROOT)?.to_path_buf());
        }
    }
    files.sort();
    Ok(files)
}
