//! Notes of learners in an [`EpochRecord`] besides its fixed keys.
//!
//! Every note may be missing. One of another type than expected counts as missing.

use serde_json::Value;

use crate::run::epoch_log::EpochRecord;

/// The number under `key`.
pub(crate) fn number(record: &EpochRecord, key: &str) -> Option<f64> {
    record.notes.get(key).and_then(Value::as_f64)
}

/// The text under `key`.
pub(crate) fn text<'a>(record: &'a EpochRecord, key: &str) -> Option<&'a str> {
    record.notes.get(key).and_then(Value::as_str)
}

/// The numbers of the object under `key`, in its order.
pub(crate) fn numbers<'a>(record: &'a EpochRecord, key: &str) -> impl Iterator<Item = (&'a str, f64)> {
    let object = record.notes.get(key).and_then(Value::as_object);
    object.into_iter().flatten().filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)))
}

/// The probabilities of the operations in every block, `[block][operation]`.
pub(crate) fn probabilities(record: &EpochRecord) -> Option<Vec<Vec<f64>>> {
    let list = |value: &Value| value.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
    record.notes.get("probabilities")?.as_array()?.iter().map(list).collect()
}

/// The names of the numbers under `key` over all records, by first appearance.
pub(crate) fn names(records: &[EpochRecord], key: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in records.iter().flat_map(|record| numbers(record, key)) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}
