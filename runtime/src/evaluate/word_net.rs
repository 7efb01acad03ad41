//! Nouns of WordNet and how similar they are.
//!
//! They are read from the files of its database (`index.noun`, `data.noun`, `noun.exc`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use crate::error::{Error, Result};

/// A meaning of a noun.
#[derive(Debug)]
struct Synset {
    /// Its first word, which orders meanings that are as good as one another.
    name: String,
    /// Offsets of the wider meanings.
    hypernyms: Vec<u64>,
    /// Steps from a root, the fewest and the most.
    depths: (usize, usize),
}

/// The nouns of a WordNet database.
#[derive(Debug)]
pub struct WordNet {
    synsets: HashMap<u64, Synset>,
    senses: HashMap<String, Vec<u64>>,
    exceptions: HashMap<String, Vec<String>>,
}

/// Endings of plurals and what stands for them in the singular.
const PLURALS: [(&str, &str); 9] = [
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
];

impl WordNet {
    /// Reads the database in the folder `dict`. `noun.exc`, irregular plurals, may be missing.
    ///
    /// # Errors
    /// A file that cannot be read or is none of WordNet's.
    pub fn read(dict: &Path) -> Result<WordNet> {
        let read = |name: &str| {
            let file = dict.join(name);
            let text = std::fs::read_to_string(&file).map_err(Error::read(&file))?;
            Ok::<_, Error>((file, text))
        };
        let (file, data) = read("data.noun")?;
        let mut synsets = HashMap::new();
        for (number, line) in data.lines().enumerate().filter(|(_, line)| !line.starts_with(' ')) {
            let wrong = || invalid(&file, number, "a synset", line);
            let (offset, synset) = synset(line).ok_or_else(wrong)?;
            synsets.insert(offset, synset);
        }
        find_depths(&mut synsets).map_err(|offset| {
            let expected = "meanings that lead to a root";
            mmnas_bundle::Error::invalid(&file, format!("synset {offset:08}"), expected, "a circle of them")
        })?;
        let (file, index) = read("index.noun")?;
        let mut senses = HashMap::new();
        for (number, line) in index.lines().enumerate().filter(|(_, line)| !line.starts_with(' ')) {
            let (lemma, offsets) = sense(line).ok_or_else(|| invalid(&file, number, "a noun's senses", line))?;
            senses.insert(lemma, offsets);
        }
        let irregular = if dict.join("noun.exc").exists() { read("noun.exc")?.1 } else { String::new() };
        let exceptions = irregular.lines().filter_map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Some((words.next()?, words.collect()))
        });
        Ok(WordNet { synsets, senses, exceptions: exceptions.collect() })
    }

    /// The meanings of a noun, in whatever number it stands.
    fn meanings(&self, word: &str) -> Vec<u64> {
        let word = word.to_lowercase().replace(' ', "_");
        let known = |forms: Vec<String>| -> Vec<u64> {
            let mut seen = HashSet::new();
            forms
                .iter()
                .filter_map(|form| self.senses.get(form))
                .flatten()
                .copied()
                .filter(|o| seen.insert(*o))
                .collect()
        };
        if let Some(base) = self.exceptions.get(&word) {
            return known([vec![word], base.clone()].concat());
        }
        let mut forms = singulars(std::slice::from_ref(&word));
        let found = known([vec![word], forms.clone()].concat());
        if !found.is_empty() {
            return found;
        }
        // A plural of a plural.
        while !forms.is_empty() {
            forms = singulars(&forms);
            let found = known(forms.clone());
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// Every wider meaning of `offset` and itself, with the least number of steps to it.
    fn wider(&self, offset: u64) -> BTreeMap<u64, usize> {
        let mut known = BTreeMap::from([(offset, 0)]);
        let (mut steps, mut last) = (0, vec![offset]);
        while !last.is_empty() {
            steps += 1;
            let mut next = Vec::new();
            for &wider in last.iter().filter_map(|offset| self.synsets.get(offset)).flat_map(|s| &s.hypernyms) {
                if known.insert(wider, known.get(&wider).copied().unwrap_or(steps)).is_none() {
                    next.push(wider);
                }
            }
            last = next;
        }
        known
    }

    /// The similarity of two meanings, 0 to 1 (Wu and Palmer, 1994, as NLTK).
    fn similarity(&self, a: u64, b: u64) -> f64 {
        let (of_a, of_b) = (self.wider(a), self.wider(b));
        let common: Vec<u64> = of_a.keys().copied().filter(|offset| of_b.contains_key(offset)).collect();
        // The deepest by its shortest way from the root; of equal ones `a` itself, else the first by name.
        let rank = |offset: &u64| {
            let (depth, name) = self.synsets.get(offset).map_or((0, ""), |s| (s.depths.0, s.name.as_str()));
            (depth, *offset == a, std::cmp::Reverse(name))
        };
        let Some(shared) = common.into_iter().max_by_key(rank) else { return 0.0 };
        let depth = self.synsets.get(&shared).map_or(0, |synset| synset.depths.1) + 1;
        2.0 * depth as f64 / (of_a[&shared] + of_b[&shared] + 2 * depth) as f64
    }

    /// The similarity of two words, 0 to 1: of their two most similar meanings.
    ///
    /// It is 1 for a word and itself, 0 where one of them is no noun.
    pub fn similarity_of_words(&self, a: &str, b: &str) -> f64 {
        if a == b {
            return 1.0;
        }
        let of_b = self.meanings(b);
        let pairs = self.meanings(a).into_iter().flat_map(|a| of_b.iter().map(move |&b| (a, b)));
        pairs.map(|(a, b)| self.similarity(a, b)).fold(0.0, f64::max)
    }
}

/// Sets the depths of all meanings, from the roots on.
///
/// The error is the offset of a meaning in a circle.
fn find_depths(synsets: &mut HashMap<u64, Synset>) -> std::result::Result<(), u64> {
    let known: HashSet<u64> = synsets.keys().copied().collect();
    let mut narrower: HashMap<u64, Vec<u64>> = HashMap::new();
    // How many wider meanings are still to come, the fewest and the most steps so far.
    let mut waiting: BTreeMap<u64, (usize, usize, usize)> = BTreeMap::new();
    for (&offset, synset) in synsets.iter_mut() {
        synset.hypernyms.retain(|wider| known.contains(wider));
        synset.hypernyms.iter().for_each(|&wider| narrower.entry(wider).or_default().push(offset));
        waiting.insert(offset, (synset.hypernyms.len(), usize::MAX, 0));
    }
    let mut ready: Vec<u64> = waiting.iter().filter(|(_, state)| state.0 == 0).map(|(&offset, _)| offset).collect();
    while let Some(offset) = ready.pop() {
        let Some((_, least, most)) = waiting.remove(&offset) else { continue };
        let depths = if least == usize::MAX { (0, 0) } else { (least, most) };
        if let Some(synset) = synsets.get_mut(&offset) {
            synset.depths = depths;
        }
        for child in narrower.get(&offset).into_iter().flatten() {
            if let Some((count, least, most)) = waiting.get_mut(child) {
                (*count, *least, *most) = (*count - 1, (*least).min(depths.0 + 1), (*most).max(depths.1 + 1));
                if *count == 0 {
                    ready.push(*child);
                }
            }
        }
    }
    waiting.into_keys().next().map_or(Ok(()), Err)
}

fn invalid(file: &Path, number: usize, expected: &str, line: &str) -> Error {
    let found = line.chars().take(60).collect::<String>();
    mmnas_bundle::Error::invalid(file, format!("line {}", number + 1), expected, found).into()
}

/// `offset file type words(hex) word id … pointers symbol offset pos source …`.
fn synset(line: &str) -> Option<(u64, Synset)> {
    let mut fields = line.split(' ');
    let offset = fields.next()?.parse().ok()?;
    let words = usize::from(u8::from_str_radix(fields.nth(2)?, 16).ok()?);
    let name = fields.next()?.to_lowercase();
    let pointers: usize = fields.nth(2 * words.checked_sub(1)? + 1)?.parse().ok()?;
    let mut hypernyms = Vec::new();
    for _ in 0..pointers {
        let (symbol, offset) = (fields.next()?, fields.next()?.parse().ok()?);
        let (part, _) = (fields.next()?, fields.next()?);
        if symbol.starts_with('@') && part == "n" {
            hypernyms.push(offset);
        }
    }
    Some((offset, Synset { name, hypernyms, depths: (0, 0) }))
}

/// `lemma pos senses pointers symbol … senses tagged offset …`.
fn sense(line: &str) -> Option<(String, Vec<u64>)> {
    let mut fields = line.split_whitespace();
    let lemma = fields.next()?.to_owned();
    let count: usize = fields.nth(1)?.parse().ok()?;
    let symbols: usize = fields.next()?.parse().ok()?;
    let offsets: Vec<u64> =
        fields.skip(symbols.checked_add(2)?).map(|offset| offset.parse().ok()).collect::<Option<_>>()?;
    (offsets.len() == count).then_some((lemma, offsets))
}

/// What each of the words may be a plural of.
fn singulars(words: &[String]) -> Vec<String> {
    let of = |word: &String| -> Vec<String> {
        let replace = |(ending, instead): &(&str, &str)| Some(format!("{}{instead}", word.strip_suffix(ending)?));
        PLURALS.iter().filter_map(replace).filter(|form| !form.is_empty()).collect()
    };
    words.iter().flat_map(of).collect()
}
