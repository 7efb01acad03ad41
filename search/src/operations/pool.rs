//! The kinds of operations that names in recipes and architectures stand for.

use std::ops::Deref;
use std::sync::Arc;

use mmnas_bundle::Operation;

use crate::error::{Error, Result};
use crate::operations::kind::CandidateOp;
use crate::operations::{
    convolution, feed_forward, gated_linear, guided_attention, relation_self_attention, self_attention,
    uniimg_attention, without_parameters,
};

/// A kind of operation with the name that files know it by.
#[derive(Debug, Clone)]
pub struct Candidate {
    operation: Operation,
    kind: Arc<dyn CandidateOp>,
}

impl Candidate {
    fn new(kind: Arc<dyn CandidateOp>) -> Result<Candidate> {
        let operation = kind.name().parse::<Operation>().map_err(|e| Error::Operation {
            place: "pool".to_owned(),
            expected: format!("names of 1 to {} of a-z, 0-9 and _", Operation::MAX_NAME),
            found: format!("{:?}", e.found),
        })?;
        Ok(Candidate { operation, kind })
    }

    /// The operation as architectures hold it.
    pub fn operation(&self) -> Operation {
        self.operation
    }
}

impl Deref for Candidate {
    type Target = dyn CandidateOp;

    fn deref(&self) -> &Self::Target {
        self.kind.as_ref()
    }
}

/// Two candidates are equal if their names are.
impl PartialEq for Candidate {
    fn eq(&self, other: &Candidate) -> bool {
        self.operation == other.operation
    }
}

impl Eq for Candidate {}

/// The operations that recipes and architecture files can name.
///
/// It is a plain value: [`Pool::with`] makes a pool of one operation more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool(Vec<Candidate>);

impl Default for Pool {
    fn default() -> Pool {
        Pool::standard()
    }
}

impl Pool {
    /// Every operation of the published code, searched in the paper or not.
    pub fn standard() -> Pool {
        fn shared<K: CandidateOp, const N: usize>(kinds: [K; N]) -> impl Iterator<Item = Arc<dyn CandidateOp>> {
            kinds.into_iter().map(|kind| Arc::new(kind) as Arc<dyn CandidateOp>)
        }
        let kinds = shared(self_attention::KINDS)
            .chain(shared(relation_self_attention::KINDS))
            .chain(shared(guided_attention::KINDS))
            .chain(shared(uniimg_attention::KINDS))
            .chain(shared(feed_forward::KINDS))
            .chain(shared(gated_linear::KINDS))
            .chain(shared(convolution::KINDS))
            .chain(shared(without_parameters::KINDS));
        // All of these names parse; a test lists them.
        Pool(kinds.filter_map(|kind| Candidate::new(kind).ok()).collect())
    }

    /// Adds one kind to this pool, under a name that is not taken.
    ///
    /// # Errors
    ///
    /// [`Error::Operation`] if the name is taken, or is not 1 to 32 of a-z, 0-9 and _.
    pub fn with(mut self, kind: impl CandidateOp) -> Result<Pool> {
        let candidate = Candidate::new(Arc::new(kind))?;
        if self.find(candidate.name()).is_some() {
            return Err(Error::Operation {
                place: "pool".to_owned(),
                expected: "a name that is not taken".to_owned(),
                found: candidate.name().to_owned(),
            });
        }
        self.0.push(candidate);
        Ok(self)
    }

    /// The operation of a name.
    pub fn find(&self, name: &str) -> Option<&Candidate> {
        self.0.iter().find(|candidate| candidate.name() == name)
    }

    /// All operations.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.0.iter()
    }

    /// Operations that the paper's space gives each block.
    ///
    /// They are those of `operations`, the searched four, that the pool holds.
    pub(crate) fn published(&self, operations: &[Operation]) -> Vec<Candidate> {
        operations.iter().filter_map(|operation| self.find(operation.name())).cloned().collect()
    }

    /// Finds the operation of a name that `place` holds, if `allowed`.
    ///
    /// Otherwise it gives [`Error::Operation`], which lists near names.
    pub(crate) fn get(&self, name: &str, place: &str, allowed: fn(&dyn CandidateOp) -> bool) -> Result<&Candidate> {
        if let Some(found) = self.find(name).filter(|candidate| allowed(&***candidate)) {
            return Ok(found);
        }
        let names: Vec<&str> = self.0.iter().filter(|c| allowed(&***c)).map(|c| c.name()).collect();
        let mut near: Vec<(f64, &str)> = names.iter().map(|n| (strsim::jaro_winkler(n, name), *n)).collect();
        near.retain(|(likeness, _)| *likeness > NEAR);
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.truncate(3);
        let near: Vec<&str> = near.into_iter().map(|(_, name)| name).collect();
        let (what, listed) = if near.is_empty() { ("one of", names) } else { ("an operation such as", near) };
        let found = if self.find(name).is_some() { " (not allowed there)" } else { "" };
        Err(Error::Operation {
            place: place.to_owned(),
            expected: format!("{what} {}", listed.join(", ")),
            found: format!("{:?}{found}", name.chars().take(80).collect::<String>()),
        })
    }
}

/// Least likeness (0 to 1) of names suggested for one that does not exist.
const NEAR: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::kind::PlainKind;

    fn kind(name: &'static str) -> PlainKind {
        PlainKind { name, ..without_parameters::KINDS[0] }
    }

    #[test]
    fn the_standard_pool_holds_every_published_operation() {
        let mut names: Vec<String> = Pool::standard().candidates().map(|c| c.name().to_owned()).collect();
        let mut expected: Vec<String> =
            ["16", "32", "64", "128", "256", "64_2"].map(|w| format!("self_att_{w}")).into();
        expected.extend(["16", "32", "64", "128", "256"].map(|w| format!("rel_self_att_{w}")));
        expected.extend(["16", "32", "64", "128", "256", "64_2"].map(|w| format!("guided_att_{w}")));
        expected.extend(["32", "64", "128"].map(|w| format!("uniimg_att_{w}")));
        expected.extend(["", "_2", "_8", "_16", "_32", "_deep"].map(|w| format!("feed_forward{w}")));
        expected.extend(["1", "2"].map(|n| format!("gated_linear_{n}")));
        expected
            .extend(["3", "5", "7", "11"].into_iter().flat_map(|k| [format!("sep_conv_{k}"), format!("std_conv_{k}")]));
        expected.extend(["skip_connect", "none"].map(str::to_owned));
        names.sort();
        expected.sort();
        assert_eq!(names, expected);
        let mut short: Vec<String> = Pool::standard().candidates().map(|c| c.abbreviation().to_owned()).collect();
        short.sort();
        short.dedup();
        assert_eq!(short.len(), names.len(), "abbreviations differ");
        for operation in Operation::DECODER {
            let candidate = Pool::standard().find(operation.name()).cloned().unwrap();
            assert_eq!((candidate.operation(), candidate.abbreviation()), (operation, operation.abbreviation()));
        }
    }

    #[test]
    fn only_operations_over_one_input_may_stand_in_the_encoder() {
        for candidate in Pool::standard().candidates() {
            let name = candidate.name();
            let needs_regions = ["rel_self", "guided", "uniimg"].iter().any(|start| name.starts_with(start));
            assert_eq!((candidate.in_encoder(), candidate.in_decoder()), (!needs_regions, true), "{name}");
            assert_eq!(candidate.reads_relations(), name.starts_with("rel_self"), "{name}");
            assert_eq!(candidate.reads_text(), needs_regions && !name.starts_with("rel_self"), "{name}");
        }
    }

    #[test]
    fn a_kind_joins_under_a_new_name_that_files_can_hold() {
        let pool = Pool::standard().with(kind("mine_2")).unwrap();
        assert_eq!(pool.find("mine_2").unwrap().operation().name(), "mine_2");
        assert!(Pool::standard().find("mine_2").is_none() && pool != Pool::standard());
        for (name, word) in [("mine_2", "not taken"), ("self_att_64", "not taken"), ("Not a name", "a-z, 0-9")] {
            let error = pool.clone().with(kind(name)).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains(name), "{error}");
        }
    }

    #[test]
    fn near_names_are_suggested_and_all_where_none_is_near() {
        let pool = Pool::standard();
        let error = |name: &str| pool.get(name, "here", |kind| kind.in_encoder()).unwrap_err().to_string();
        let near = error("self_attn_64");
        assert!(near.starts_with("here: expected an operation such as self_att_64") && near.len() < 200, "{near}");
        let all = error("zzzz");
        assert!(all.contains("feed_forward_deep") && all.contains("none") && !all.contains("guided"), "{all}");
        assert!(error("guided_att_64").contains("not allowed there"));
    }
}
