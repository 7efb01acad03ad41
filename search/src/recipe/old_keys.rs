//! Keys that recipes had before: they are read as those of today.

use toml::{Table, Value};

/// Places of keys that have moved, before and now.
const MOVED: [(&str, &str); 8] = [
    ("text.min_answer_count", "vqa.min_answer_count"),
    ("text.answer_scores", "vqa.answer_scores"),
    ("text.ranked_images", "itm.ranked_images"),
    ("text.shortlist", "itm.shortlist"),
    ("text.any_box", "vgd.any_box"),
    ("contrastive", "itm.contrastive"),
    ("regions.linear", "vgd.linear"),
    ("model.sees", "model.modalities"),
];

/// Keys of settings that did not pay, or were replaced by others of another kind.
const REMOVED: [&str; 3] = ["regions.correlate", "model.hide", "search.cost"];

/// The table of the dual encoder, and its key whose meaning was turned round.
const CONTRASTIVE: &str = "itm.contrastive";
const HEAD_ALONE: &str = "head_alone";
const COSINE_INIT: &str = "cosine_init";

/// Moves the old keys of `table` to their places of today, over what lies there.
pub(crate) fn modernise(table: &mut Table) {
    for (old, new) in MOVED {
        if let Some(value) = take(table, old) {
            put(table, new, value);
        }
    }
    if let Some(contrastive) = find(table, CONTRASTIVE)
        && let Some(Value::Boolean(alone)) = contrastive.get(HEAD_ALONE).cloned()
    {
        contrastive.remove(HEAD_ALONE);
        contrastive.insert(COSINE_INIT.to_owned(), Value::Boolean(!alone));
    }
}

/// Leaves out what recipes could once say and no longer can.
pub(crate) fn leave_out_removed(table: &mut Table) {
    for key in REMOVED {
        take(table, key);
    }
}

/// The place of `key` today.
pub(crate) fn modern(key: &str) -> String {
    let moved = MOVED.iter().find_map(|(old, new)| Some(format!("{new}{}", under(key, old)?)));
    let moved = moved.unwrap_or_else(|| key.to_owned());
    match moved.strip_suffix(HEAD_ALONE).filter(|table| table.trim_end_matches('.') == CONTRASTIVE) {
        Some(table) => format!("{table}{COSINE_INIT}"),
        None => moved,
    }
}

/// Whether the value of the old `key` is the opposite of today's.
pub(crate) fn is_turned_round(key: &str) -> bool {
    key.ends_with(HEAD_ALONE) && modern(key).ends_with(COSINE_INIT)
}

/// The old places that may hold `key` of today in a file, `key` itself first.
pub(crate) fn places(key: &str) -> Vec<String> {
    let mut places = vec![key.to_owned()];
    places.extend(MOVED.iter().filter_map(|(old, new)| Some(format!("{old}{}", under(key, new)?))));
    if key == format!("{CONTRASTIVE}.{COSINE_INIT}") {
        places.extend([CONTRASTIVE, "contrastive"].map(|table| format!("{table}.{HEAD_ALONE}")));
    }
    places
}

/// What follows `place` in `key`, if `key` is that place or inside it.
fn under<'a>(key: &'a str, place: &str) -> Option<&'a str> {
    key.strip_prefix(place).filter(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The table at `place`.
fn find<'a>(table: &'a mut Table, place: &str) -> Option<&'a mut Table> {
    place.split('.').try_fold(table, |table, name| table.get_mut(name)?.as_table_mut())
}

fn take(table: &mut Table, place: &str) -> Option<Value> {
    match place.rsplit_once('.') {
        Some((parent, name)) => find(table, parent)?.remove(name),
        None => table.remove(place),
    }
}

fn put(table: &mut Table, place: &str, value: Value) {
    let Some((parent, name)) = place.rsplit_once('.') else { return };
    // Something else than a table in its place is an error that the recipe's reader names.
    if let Some(parent) = table.entry(parent).or_insert_with(|| Value::Table(Table::new())).as_table_mut() {
        match (parent.get_mut(name), value) {
            (Some(Value::Table(known)), Value::Table(more)) => known.extend(more),
            (_, value) => drop(parent.insert(name.to_owned(), value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_keys_are_read_as_todays() {
        let mut old: Table = r#"
            text = { max_tokens = 14, min_answer_count = 2, answer_scores = "softmax", any_box = true, ranked_images = 3 }
            regions = { max = 9, linear = { width = 8 } }
            model = { head = 8, sees = "text" }
            contrastive = { width = 4, head_alone = true }
        "#
        .parse()
        .unwrap();
        modernise(&mut old);
        let new: Table = r#"
            text = { max_tokens = 14 }
            regions = { max = 9 }
            model = { head = 8, modalities = "text" }
            vqa = { min_answer_count = 2, answer_scores = "softmax" }
            itm = { ranked_images = 3, contrastive = { width = 4, cosine_init = false } }
            vgd = { any_box = true, linear = { width = 8 } }
        "#
        .parse()
        .unwrap();
        assert_eq!(old, new);
        modernise(&mut old);
        assert_eq!(old, new, "a recipe of today stays");
    }

    #[test]
    fn a_key_has_its_places() {
        for (old, new) in [
            ("contrastive.width", "itm.contrastive.width"),
            ("contrastive", "itm.contrastive"),
            ("contrastive.head_alone", "itm.contrastive.cosine_init"),
            ("text.shortlist.images", "itm.shortlist.images"),
            ("text.max_tokens", "text.max_tokens"),
            ("contrastive_like", "contrastive_like"),
        ] {
            assert_eq!(modern(old), new);
            assert!(places(new).iter().any(|place| place == old), "{old}: {:?}", places(new));
        }
    }
}
