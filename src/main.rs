//! The `effigy` program: everything is in the library.

fn main() -> std::process::ExitCode {
    effigy::cli::main()
}
