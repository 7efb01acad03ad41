//! The C header: how it is generated, and what it declares.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where the committed header is.
pub fn path(workspace_root: &Path) -> PathBuf {
    workspace_root.join("include").join("mmnas_runtime.h")
}

/// The text of the header, generated from the sources of the C ABI.
pub fn generate(workspace_root: &Path) -> Result<String, String> {
    let folder = workspace_root.join("ffi");
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml"))?;
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        // A source file and not a crate: that needs no cargo, and only what the ABI's own crate exports may be in it.
        .with_src(folder.join("src").join("lib.rs"))
        .generate()
        .map_err(|error| format!("cbindgen: {error}"))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).map_err(|error| format!("cbindgen: {error}"))
}

/// The names of the functions that a header declares.
pub fn functions(header: &str) -> BTreeSet<String> {
    let code = without_comments(header);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices('(')
        .map(|(end, _)| {
            let before = code[..end].trim_end();
            before[before.rfind(|c| !is_name(c)).map_or(0, |place| place + 1)..].to_owned()
        })
        .filter(|name| name.starts_with("mmnas_"))
        .collect()
}

/// A C file with an empty body for every function that a header declares: what tools that compare ABIs read the types from,
/// since a library in Rust tells them of its own types.
pub fn stub(header: &str) -> String {
    let code = without_comments(header);
    let mut stub = String::from("#include <stdlib.h>\n#include \"mmnas_runtime.h\"\n");
    for declaration in code.split(';') {
        // What lies before is the end of a block or of a line for the preprocessor.
        let from = declaration.rfind(['#', '}', '{']).map_or(0, |place| {
            let rest = &declaration[place..];
            place + if rest.starts_with('#') { rest.find('\n').unwrap_or(rest.len()) } else { 1 }
        });
        let declaration = declaration[from..].trim();
        if functions(declaration).len() == 1 && !declaration.starts_with("typedef") {
            stub.push_str(&format!("{declaration}\n{{\n    abort();\n}}\n"));
        }
    }
    stub
}

/// The program in the header's manual.
pub fn example(header: &str) -> Option<String> {
    let (_, from) = header.split_once(" * EXAMPLE\n *\n")?;
    let lines = from.lines().map_while(|line| match line.strip_prefix(" *     ") {
        Some(code) => Some(code),
        None if line == " *" => Some(""),
        None => None,
    });
    Some(lines.collect::<Vec<_>>().join("\n") + "\n")
}

fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        code.push(' ');
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code + rest
}

#[cfg(test)]
mod tests {
    use super::{example, functions};

    #[test]
    fn functions_are_found_and_comments_are_not() {
        let header =
            "/* mmnas_not(a) */\nmmnas_status mmnas_one(int a,\n int (*other)(void));\nvoid *mmnas_two (void);";
        assert_eq!(functions(header).into_iter().collect::<Vec<_>>(), ["mmnas_one", "mmnas_two"]);
    }

    #[test]
    fn a_stub_has_every_function() {
        let header = "#define A 1\n/* a; b */ int mmnas_one(int a);\nenum e { A = 1, };\ntypedef void (*mmnas_cb)(int);\n#ifdef __cplusplus\n}\n#endif\nvoid mmnas_two(void);";
        let bodies = ["int mmnas_one(int a)\n{", "void mmnas_two(void)\n{"];
        let stub = super::stub(header);
        assert!(bodies.iter().all(|body| stub.contains(body)) && !stub.contains("mmnas_cb"), "{stub}");
        assert_eq!(stub.matches("abort").count(), 2);
    }

    #[test]
    fn the_example_ends_where_the_text_goes_on() {
        let header = "/*\n * EXAMPLE\n *\n *     int a;\n *\n *     int b;\n *\n * More.\n */";
        assert_eq!(example(header).unwrap(), "int a;\n\nint b;\n\n");
    }
}
