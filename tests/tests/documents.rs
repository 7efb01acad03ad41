//! The documents: reference pages are those that the code gives, links lead somewhere, commands run, lines are short.

use std::path::{Path, PathBuf};
use std::process::Command;

use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::{programs, reference};

#[test]
fn the_committed_reference_pages_are_the_generated_ones() {
    let root = workspace_root();
    let (mmnas, search) = (programs::program("mmnas").unwrap(), programs::program("mmnas-search").unwrap());
    let pages = [
        ("recipe.md", reference::recipe_page(&root).unwrap()),
        ("cli.md", reference::cli_page(&[("mmnas", &mmnas), ("mmnas-search", &search)]).unwrap()),
    ];
    for (name, text) in pages {
        let file = root.join("docs/src/reference").join(name);
        assert!(text.lines().count() > 100, "{name} has {} lines", text.lines().count());
        assert!(std::fs::read_to_string(&file).unwrap() == text, "{name} is out of date: `make reference`");
    }
}

/// The Markdown files of the repository that people read.
fn documents() -> Vec<PathBuf> {
    let output = Command::new("git").args(["ls-files", "*.md"]).current_dir(workspace_root()).output().unwrap();
    let files: Vec<PathBuf> =
        String::from_utf8(output.stdout).unwrap().lines().map(|file| workspace_root().join(file)).collect();
    assert!(files.len() > 30, "{} documents", files.len());
    files
}

/// The text without what stands in fences, and the fences of `sh`.
fn split_fences(text: &str) -> (String, Vec<String>) {
    let (mut prose, mut commands) = (String::new(), Vec::new());
    let mut fence: Option<(bool, String)> = None;
    for line in text.lines() {
        match (&mut fence, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => fence = Some((language.trim() == "sh", String::new())),
            (Some(_), Some(_)) => commands.extend(fence.take().filter(|(is_sh, _)| *is_sh).map(|(_, text)| text)),
            (Some((_, text)), None) => *text += &format!("{line}\n"),
            (None, None) => prose += &format!("{line}\n"),
        }
    }
    (prose, commands)
}

/// Where the links of a text lead.
fn links(prose: &str) -> Vec<&str> {
    prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchors of a page's headings, as forges make them.
fn anchors(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let (prose, _) = split_fences(&text);
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    headings.map(|h| h.to_lowercase().replace(' ', "-").chars().filter(|&c| kept(c)).collect()).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_in_it() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for file in documents() {
        let text = std::fs::read_to_string(&file).unwrap();
        let (prose, _) = split_fences(&text);
        for link in links(&prose).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            count += 1;
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let to = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
            let is_page = to.extension().is_some_and(|end| end == "md");
            let found = to.exists() && anchor.is_none_or(|a| !is_page || anchors(&to).iter().any(|known| known == a));
            if !found {
                wrong.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(count > 200, "{count} links");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_summary_names_every_page_of_the_book() {
    let pages = workspace_root().join("docs/src");
    let summary = std::fs::read_to_string(pages.join("SUMMARY.md")).unwrap();
    let known = links(&summary);
    for file in documents().into_iter().filter(|file| file.starts_with(&pages) && !file.ends_with("SUMMARY.md")) {
        let name = file.strip_prefix(&pages).unwrap().display().to_string();
        assert!(known.contains(&name.as_str()), "SUMMARY.md does not name {name}");
    }
}

#[test]
fn commands_in_fences_parse_and_cheap_ones_run() {
    let mut ran = 0;
    for file in documents() {
        for fence in split_fences(&std::fs::read_to_string(&file).unwrap()).1 {
            let parsed = Command::new("bash").args(["-n", "-c", &fence]).output().unwrap();
            assert!(
                parsed.status.success(),
                "{}: {fence}\n{}",
                file.display(),
                String::from_utf8_lossy(&parsed.stderr)
            );
            // What reads a bundle of the repository and writes nothing; a command may go over several lines.
            let reads = ["info", "answer", "ground", "verify", "rank"].map(|c| format!("mmnas {c} runtime/bundles/"));
            let cheap = |line: &&str| {
                reads.iter().any(|start| line.starts_with(start))
                    && !["--draw", "--explain", "--provider", "|", ">", "$"].iter().any(|part| line.contains(part))
            };
            for line in fence.replace("\\\n", " ").lines().filter(cheap) {
                let program = programs::program("mmnas").unwrap();
                let line = line.replacen("mmnas", &program.display().to_string(), 1);
                let mut command = Command::new("bash");
                command.args(["-c", &line]).env("MMNAS_ORT_DYLIB", programs::onnxruntime());
                let output = command.current_dir(workspace_root()).output().unwrap();
                assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
                ran += 1;
            }
        }
    }
    assert!(ran >= 7, "{ran} commands were run");
}

#[test]
fn lines_and_readmes_are_short() {
    let root = workspace_root();
    let mut long = Vec::new();
    for file in documents() {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let text = std::fs::read_to_string(&file).unwrap();
        let most = match name.as_str() {
            "README.md" => 90,
            "runtime/README.md" | "runtime/bundle/README.md" | "search/README.md" | "search/export/README.md" => 60,
            "ffi/README.md" => 60,
            _ => usize::MAX,
        };
        let lines = text.lines().count();
        assert!(lines <= most, "{name} has {lines} lines, of {most} at most");
        // Tables and samples stay in one line; the cards of bundles are written by the export.
        let (prose, _) = split_fences(&text);
        let of_bundle = name.starts_with("runtime/bundles/") && name != "runtime/bundles/README.md";
        let is_long = |line: &&str| line.chars().count() > 100 && !line.trim_start().starts_with('|') && !of_bundle;
        long.extend(prose.lines().filter(is_long).map(|line| format!("{name}: {line}")));
        if name.ends_with("reference/cli.md") {
            // clap does not wrap a line of usage.
            let is_long = |line: &&str| line.chars().count() > 100 && !line.starts_with("Usage: ");
            long.extend(text.lines().filter(is_long).map(|line| format!("{name}: {line}")));
        }
    }
    assert!(long.is_empty(), "lines of more than 100 characters:\n{}", long.join("\n"));
}
