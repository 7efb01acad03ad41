//! Writes `docs/src/reference/recipe.md` and `cli.md`, as they follow from the code.

use std::process::ExitCode;

use mmnas_tests::{c_consumer, programs, reference};

fn update() -> Result<(), String> {
    let root = c_consumer::workspace_root();
    let (mmnas, search) = (programs::program("mmnas")?, programs::program("mmnas-search")?);
    let pages = [
        ("recipe.md", reference::recipe_page(&root)?),
        ("cli.md", reference::cli_page(&[("mmnas", &mmnas), ("mmnas-search", &search)])?),
    ];
    for (name, text) in pages {
        let file = root.join("docs/src/reference").join(name);
        std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match update() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
