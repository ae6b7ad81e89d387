//! `llmgateway-generate PROTOS OUT` writes the Rust code of the contract in the folder PROTOS to the folder OUT, without a protoc.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let [protos, out] = env::args_os()
        .skip(1)
        .map(PathBuf::from)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: llmgateway-generate PROTOS OUT")?;
    let mut files = Vec::new();
    for package in ["llmgateway/v1", "llmgateway/admin/v1"] {
        for entry in fs::read_dir(protos.join(package))? {
            files.push(entry?.path());
        }
    }
    files.sort();
    fs::create_dir_all(&out)?;
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .out_dir(out)
        .compile_fds(protox::compile(files, [protos])?)?;
    Ok(())
}
