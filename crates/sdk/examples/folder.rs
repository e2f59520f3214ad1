//! The smallest extension in Rust that really keeps something: its backend is the folder that `config.folder` names.

use sandboxer_sdk::testing::FolderExtension;

fn main() -> std::process::ExitCode {
    sandboxer_sdk::serve(FolderExtension)
}
