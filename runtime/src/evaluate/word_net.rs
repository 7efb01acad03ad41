//! Nouns of WordNet and how similar they are, read from the files of its database (`index.noun`, `data.noun`, `noun.exc`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use crate::{Error, Result};

/// A meaning of a noun.
#[derive(Debug)]
struct Synset {
    /// Its first word, which orders meanings that are as good as one another.
    name: String,
    /// Offsets of the wider meanings.
    hypernyms: Vec<u64>,
}

/// The nouns of a WordNet database.
#[derive(Debug)]
pub struct WordNet {
    synsets: HashMap<u64, Synset>,
    senses: HashMap<String, Vec<u64>>,
    exceptions: HashMap<String, Vec<String>>,
}

/// Endings of plurals and what stands for them in the singular.
const PLURALS: [(&str, &str); 8] =
    [("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("ies", "y")];

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
            let next = last.iter().filter_map(|offset| self.synsets.get(offset)).flat_map(|synset| &synset.hypernyms);
            let next: Vec<u64> = next.copied().filter(|offset| !known.contains_key(offset)).collect();
            known.extend(next.iter().map(|&offset| (offset, steps)));
            last = next;
        }
        known
    }

    /// Steps from the root, the fewest and the most. A database whose meanings lead in a circle ends somewhere in it.
    fn depths(&self, offset: u64, trail: &mut Vec<u64>) -> (usize, usize) {
        let synset = self.synsets.get(&offset).filter(|_| !trail.contains(&offset));
        let Some(synset) = synset.filter(|synset| !synset.hypernyms.is_empty()) else { return (0, 0) };
        trail.push(offset);
        let depths: Vec<(usize, usize)> = synset.hypernyms.iter().map(|&wider| self.depths(wider, trail)).collect();
        trail.pop();
        let least = depths.iter().map(|depth| depth.0).min().unwrap_or(0);
        (least + 1, depths.iter().map(|depth| depth.1).max().unwrap_or(0) + 1)
    }

    /// The similarity of two meanings (Wu and Palmer, 1994), as NLTK computes it: 0 to 1.
    fn similarity(&self, a: u64, b: u64) -> f64 {
        let (of_a, of_b) = (self.wider(a), self.wider(b));
        let common: Vec<u64> = of_a.keys().copied().filter(|offset| of_b.contains_key(offset)).collect();
        let name = |offset: u64| self.synsets.get(&offset).map_or("", |synset| synset.name.as_str());
        let rank = |&offset: &u64| (self.depths(offset, &mut Vec::new()).0, std::cmp::Reverse(name(offset)));
        let deepest = if common.contains(&a) { Some(a) } else { common.into_iter().max_by_key(rank) };
        let Some(shared) = deepest else { return 0.0 };
        let depth = self.depths(shared, &mut Vec::new()).1 + 1;
        2.0 * depth as f64 / (of_a[&shared] + of_b[&shared] + 2 * depth) as f64
    }

    /// The similarity of the two meanings of the words that are most alike, 0 to 1; 1 for a word and itself, 0 where one of
    /// them is no noun.
    pub fn similarity_of_words(&self, a: &str, b: &str) -> f64 {
        if a == b {
            return 1.0;
        }
        let of_b = self.meanings(b);
        let pairs = self.meanings(a).into_iter().flat_map(|a| of_b.iter().map(move |&b| (a, b)));
        pairs.map(|(a, b)| self.similarity(a, b)).fold(0.0, f64::max)
    }
}

fn invalid(file: &Path, number: usize, expected: &str, line: &str) -> Error {
    let found = line.chars().take(60).collect::<String>();
    mmnas_bundle::Error::invalid(file, format!("line {}", number + 1), expected, found).into()
}

/// `offset file type words(hex) word id … pointers symbol offset pos source …`.
fn synset(line: &str) -> Option<(u64, Synset)> {
    let mut fields = line.split(' ');
    let offset = fields.next()?.parse().ok()?;
    let words = usize::from_str_radix(fields.nth(2)?, 16).ok()?;
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
    Some((offset, Synset { name, hypernyms }))
}

/// `lemma pos senses pointers symbol … senses tagged offset …`.
fn sense(line: &str) -> Option<(String, Vec<u64>)> {
    let mut fields = line.split_whitespace();
    let lemma = fields.next()?.to_owned();
    let count: usize = fields.nth(1)?.parse().ok()?;
    let symbols: usize = fields.next()?.parse().ok()?;
    let offsets: Vec<u64> = fields.skip(symbols + 2).map(|offset| offset.parse().ok()).collect::<Option<_>>()?;
    (offsets.len() == count).then_some((lemma, offsets))
}

/// What each of the words may be a plural of.
fn singulars(words: &[String]) -> Vec<String> {
    let of = |word: &String| -> Vec<String> {
        let replace = |(ending, instead): &(&str, &str)| Some(format!("{}{instead}", word.strip_suffix(ending)?));
        PLURALS.iter().chain([&("men", "man")]).filter_map(replace).filter(|form| !form.is_empty()).collect()
    };
    words.iter().flat_map(of).collect()
}
