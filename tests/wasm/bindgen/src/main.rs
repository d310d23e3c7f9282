//! Makes a module for Node.js of a file for WebAssembly, as the program `wasm-bindgen` does, whose other parts nobody needs here.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (input, output) = arguments.next().zip(arguments.next()).context("give the file and the folder")?;
    Bindgen::new().input_path(input).nodejs(true)?.typescript(false).generate(output)
}
