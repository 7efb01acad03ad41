//! One table from a recipe's text.
//!
//! Its layers, the lowest first: the defaults, its base, its own keys, the overrides of the command
//! line.

use std::path::{Path, PathBuf};

use toml::de::DeTable;
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::recipe::old_keys;
use crate::recipe::published::Published;
use crate::recipe::wrong::WrongOf;

/// Most bases of bases.
///
/// A recipe that is its own base must not go on for ever.
const MAX_BASES: usize = 8;

/// Makes the error of a wrong field of the recipe in `file`.
pub(crate) fn wrong(file: &Path, field: &str, expected: &str, found: impl ToString) -> Error {
    Error::Recipe {
        file: file.to_path_buf(),
        field: field.to_owned(),
        expected: expected.to_owned(),
        found: found.to_string(),
    }
}

/// A recipe's table and the texts that it is made of.
///
/// The first text is the recipe's own, then that of its base, and so on.
pub(crate) struct Layers {
    pub table: Table,
    pub texts: Vec<(PathBuf, String)>,
}

/// Reads the table of a recipe and of its bases.
///
/// Its key `base`, a file beside it, names the recipe that it changes.
pub(crate) fn parse(text: &str, file: &Path) -> Result<Layers> {
    let mut texts: Vec<(PathBuf, String)> = Vec::new();
    let mut layers: Vec<Table> = Vec::new();
    let (mut text, mut place) = (text.to_owned(), file.to_path_buf());
    loop {
        let mut table: Table = text.parse().map_err(|e| wrong(&place, "(file)", "TOML", e))?;
        let base = table.remove("base");
        old_keys::modernise(&mut table);
        layers.push(table);
        let Some(base) = base else { break };
        let name = base.as_str().ok_or_else(|| wrong(&place, "base", "the file name of a recipe", &base))?;
        if layers.len() > MAX_BASES {
            return Err(wrong(&place, "base", &format!("at most {MAX_BASES} recipes on top of each other"), name));
        }
        let below = place.parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
        texts.push((place, text));
        text = mmnas_bundle::read_text_file(&below)?;
        place = below;
    }
    texts.push((place, text));
    let mut whole = layers.pop().unwrap_or_default();
    while let Some(layer) = layers.pop() {
        merge(&mut whole, layer);
    }
    Ok(Layers { table: whole, texts })
}

/// Puts `table` on top of the defaults.
pub(crate) fn on_defaults(table: Table) -> Result<Table> {
    let (text, file) = (include_str!("defaults.toml"), Path::new("defaults.toml"));
    let mut whole: Table = text.parse().map_err(|e| wrong(file, "(file)", "TOML", e))?;
    merge(&mut whole, table);
    Ok(whole)
}

/// Puts the keys of `over` on top of those of `table`.
///
/// Tables are merged; but one whose `kind` differs replaces the other as a whole.
fn merge(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if !changes_kind(below, &above) => merge(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

fn changes_kind(below: &Table, above: &Table) -> bool {
    above.get("kind").is_some_and(|kind| below.get("kind") != Some(kind))
}

/// Applies `key.of.the.recipe=value` entries, the values in TOML.
pub(crate) fn set(table: &mut Table, overrides: &[String], file: &Path) -> Result<()> {
    for entry in overrides {
        let parsed = entry.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        let (key, value) = parsed.ok_or_else(|| wrong(file, "--set", "KEY=VALUE", entry))?;
        let mut line: Table = format!("v = {value}").parse().map_err(|e| wrong(file, key, "a TOML value", e))?;
        let modern = old_keys::modern(key);
        if old_keys::is_turned_round(key)
            && let Some(Value::Boolean(value)) = line.get_mut("v")
        {
            *value = !*value;
        }
        let mut parts: Vec<&str> = modern.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        let mut place = &mut *table;
        for part in parts {
            let known: Vec<String> = place.keys().cloned().collect();
            // Tables that are optional in the file can be set all the same.
            let next = place.entry(part).or_insert_with(|| Value::Table(Table::new()));
            place = next
                .as_table_mut()
                .ok_or_else(|| wrong(file, key, "a key of the recipe", with_suggestion(part, known.iter())))?;
        }
        if let Some(value) = line.get("v") {
            place.insert(last.to_owned(), value.clone());
        }
    }
    // A table that was set as a whole may hold old keys.
    old_keys::modernise(table);
    Ok(())
}

/// Turns on the published behaviours of these names; `all` means every one.
pub(crate) fn publish(table: &mut Table, names: &[String], file: &Path) -> Result<()> {
    for name in names {
        let name = name.replace('-', "_");
        let chosen: Vec<&str> = Published::NAMES.into_iter().filter(|known| name == "all" || *known == name).collect();
        if chosen.is_empty() {
            let expected = format!("all or one of {}", Published::NAMES.join(", "));
            return Err(wrong(file, "--published", &expected, with_suggestion(&name, Published::NAMES.iter())));
        }
        if name == "all" {
            // The published searches have no rule to stop by, and no costs.
            if let Some(search) = table.get_mut("search").and_then(Value::as_table_mut) {
                search.remove("stop");
                search.remove("cost");
            }
        }
        set(table, &chosen.iter().map(|name| format!("published.{name}=true")).collect::<Vec<_>>(), file)?;
    }
    Ok(())
}

/// The error of a table that is no recipe, with its place.
///
/// The place is in one of its texts or in one of `overrides`.
pub(crate) fn misfit(error: &toml::de::Error, texts: &[(PathBuf, String)], overrides: &[String], file: &Path) -> Error {
    let message = error.message();
    let is_unknown = message.starts_with("unknown field");
    // The keys down to the value are known to the error, but only its text gives them away.
    let said = error.to_string();
    let keys = said.trim_end().rsplit_once("\nin `").map(|(_, keys)| keys.trim_end_matches('`').split('.'));
    let unknown = message.split('`').nth(1).filter(|_| is_unknown);
    let path: Vec<&str> = keys.into_iter().flatten().chain(unknown).collect();
    let (place, field) = place_of(&path, is_unknown, texts, overrides, file);
    let of_keys = is_unknown || message.starts_with("missing field");
    wrong(&place, &field, if of_keys { "the keys of a recipe" } else { "a value of this key" }, explain(message))
}

/// Makes the error of a value out of range, with its place.
pub(crate) fn out_of_range(
    (field, expected, found): WrongOf,
    texts: &[(PathBuf, String)],
    overrides: &[String],
    file: &Path,
) -> Error {
    let path: Vec<&str> = field.split('.').collect();
    let (place, mut told) = place_of(&path, true, texts, overrides, file);
    // An override of a table gives it many values.
    if told.strip_prefix("--set ").is_some_and(|set| field.len() > old_keys::modern(set).len()) {
        told = format!("{told}: {field}");
    }
    wrong(&place, &told, &expected, found)
}

/// The file that gives the key at the end of `path` its value, and where.
///
/// It is an override of the key itself or of a table around it, or a line of one of the texts. With
/// `inside`, an override of something in the key counts too.
fn place_of(
    path: &[&str],
    inside: bool,
    texts: &[(PathBuf, String)],
    overrides: &[String],
    file: &Path,
) -> (PathBuf, String) {
    let key = path.join(".");
    let begins =
        |whole: &str, part: &str| whole.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let mut sets = overrides.iter().filter_map(|entry| Some(entry.split_once('=')?.0.trim()));
    let set = sets.rfind(|set| {
        let set = old_keys::modern(set);
        begins(&key, &set) || (inside && begins(&set, &key))
    });
    let places = old_keys::places(&key);
    let in_text = |text: &str| places.iter().find_map(|place| Some((place, find(text, place)?)));
    match (set, texts.iter().find_map(|(file, text)| Some((file, in_text(text)?)))) {
        (Some(set), _) => (file.to_path_buf(), format!("--set {set}")),
        (None, Some((file, (key, (line, column))))) => (file.clone(), format!("line {line}, column {column}: {key}")),
        (None, None) if key.is_empty() => (file.to_path_buf(), "(keys)".to_owned()),
        (None, None) => (file.to_path_buf(), key),
    }
}

/// Line and column, from 1, of the key at `place`.
fn find(text: &str, place: &str) -> Option<(usize, usize)> {
    let path: Vec<&str> = place.split('.').collect();
    let (last, tables) = path.split_last()?;
    let whole = DeTable::parse(text).ok()?;
    let mut table = whole.get_ref();
    for name in tables {
        table = table.iter().find(|(key, _)| key.get_ref() == *name)?.1.get_ref().as_table()?;
    }
    let (key, _) = table.iter().find(|(key, _)| key.get_ref() == *last)?;
    let before = text.get(..key.span().start)?;
    let line = before.rsplit('\n').next()?;
    Some((before.matches('\n').count() + 1, line.chars().count() + 1))
}

/// Serde's message about a table that is no recipe.
///
/// Where a key is unknown, it adds the key that was probably meant.
fn explain(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((unknown, known)) if message.starts_with("unknown") => {
            let meant = nearest(unknown, known.iter());
            meant.map_or_else(|| message.to_owned(), |meant| format!("{message}; did you mean `{meant}`?"))
        }
        _ => message.to_owned(),
    }
}

fn with_suggestion(found: &str, known: impl Iterator<Item = impl AsRef<str>>) -> String {
    nearest(found, known).map_or_else(|| found.to_owned(), |meant| format!("{found}; did you mean {meant}?"))
}

/// The known name that is most like `found`, if one is.
fn nearest(found: &str, known: impl Iterator<Item = impl AsRef<str>>) -> Option<String> {
    let scored = known.map(|name| (strsim::jaro_winkler(found, name.as_ref()), name.as_ref().to_owned()));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_changes_its_base() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.toml", "seed = 1\n[t]\nx = 1\ny = 2\ns = { kind = \"one\", v = 3 }");
        write("b.toml", "base = \"a.toml\"\n[t]\ny = 5\ns = { kind = \"two\" }");
        let text = "base = \"b.toml\"\nseed = 4";
        let table = parse(text, &folder.path().join("c.toml")).unwrap().table;
        let expected: Table = "seed = 4\n[t]\nx = 1\ny = 5\ns = { kind = \"two\" }".parse().unwrap();
        assert_eq!(table, expected);
        write("loop.toml", "base = \"loop.toml\"");
        let error = parse("base = \"loop.toml\"", &folder.path().join("d.toml")).err().unwrap().to_string();
        assert!(error.contains("at most 8 recipes"), "{error}");
        let error = parse("base = \"none.toml\"", &folder.path().join("d.toml")).err().unwrap().to_string();
        assert!(error.contains("none.toml"), "{error}");
    }

    #[test]
    fn what_was_meant_is_said() {
        let message = "unknown field `epoch`, expected one of `hidden`, `epochs`, `batch`";
        assert!(explain(message).ends_with("did you mean `epochs`?"));
        assert_eq!(explain("missing field `epochs`"), "missing field `epochs`");
        let error = publish(&mut Table::new(), &["alpha-strat".into()], Path::new("r.toml")).unwrap_err().to_string();
        assert!(error.contains("did you mean alpha_start?"), "{error}");
        let mut table: Table = "search = { stop = { epochs = 1 } }".parse().unwrap();
        publish(&mut table, &["all".into()], Path::new("r.toml")).unwrap();
        assert!(!table["search"].as_table().unwrap().contains_key("stop"));
        assert_eq!(table["published"].as_table().unwrap().len(), Published::NAMES.len());
    }
}
