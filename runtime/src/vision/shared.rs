//! Vision stages in memory, which models of a process share where they are the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use mmnas_bundle::Bundle;
use mmnas_bundle::manifest::{MANIFEST, RegionSource, Vision};

use crate::engine::session::{GraphFile, SessionSettings, Sessions};
use crate::error::{Error, Result};
use crate::vision::runner::VisionRunner;

/// What vision stages that make the same regions have in common.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VisionIdentity {
    sha256: String,
    /// Without names of files and what is only for people.
    vision: Vision,
}

impl VisionIdentity {
    fn new(sha256: String, vision: &Vision) -> VisionIdentity {
        let mut vision = vision.clone();
        vision.backbone.clear();
        // One graph runs.
        vision.stage.graphs.truncate(1);
        vision.stage.graphs.iter_mut().for_each(|graph| graph.file.clear());
        if let RegionSource::Proposals { detector, .. } = &mut vision.regions {
            detector.graph.clear();
        }
        VisionIdentity { sha256, vision }
    }

    /// Which features the stage gives.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// An error where `found` is another stage.
    pub(crate) fn check(&self, found: &VisionIdentity) -> Result<()> {
        if self == found {
            return Ok(());
        }
        let (expected, found) = match self.sha256 == found.sha256 {
            true => ("the same settings too".to_owned(), "other sizes, boxes or numbers of regions".to_owned()),
            false => (self.sha256.clone(), found.sha256.clone()),
        };
        Err(Error::argument("regions", format!("those of the model's vision stage, {expected}"), found))
    }
}

/// A model's vision stage.
#[derive(Debug)]
pub(crate) struct ModelVision {
    pub runner: Arc<VisionRunner>,
    pub identity: Arc<VisionIdentity>,
}

/// A stage that models have loaded. It ends with the last of them.
struct Held {
    identity: Arc<VisionIdentity>,
    settings: SessionSettings,
    runner: Weak<VisionRunner>,
}

static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

/// The stages that models hold; those that none holds any more are forgotten.
fn all_held() -> MutexGuard<'static, Vec<Held>> {
    // What is inside is whole after every statement.
    let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|held| held.runner.strong_count() > 0);
    all
}

/// A stage with this identity and settings, where a model holds one.
fn find(all: &[Held], identity: &VisionIdentity, settings: &SessionSettings) -> Option<Arc<VisionRunner>> {
    all.iter().find(|held| *held.identity == *identity && held.settings == *settings)?.runner.upgrade()
}

impl ModelVision {
    /// Loads the vision stage of a bundle, if it has one.
    ///
    /// It is that of a model that was loaded with the same graphs and options and is still there, else a new one. Its
    /// files are checked in any case. Where hashes are not to be compared nobody knows what the files hold, so such a
    /// load shares nothing.
    pub(crate) fn load(sessions: &Sessions, bundle: &Bundle<'_>, check_hashes: bool) -> Result<Option<ModelVision>> {
        let (Some(vision), Some(sha256)) = (&bundle.manifest().vision, bundle.vision_sha256()?) else {
            return Ok(None);
        };
        let identity = Arc::new(VisionIdentity::new(sha256, vision));
        let settings = sessions.settings();
        let held = if check_hashes { find(&all_held(), &identity, &settings) } else { None };
        if let Some(runner) = held {
            for name in vision.files() {
                bundle.check_file(name)?;
            }
            let folder = bundle.folder().display();
            tracing::debug!("{folder}: the vision stage is one that another model has loaded, {}", identity.sha256);
            return Ok(Some(ModelVision { runner, identity }));
        }
        let manifest = bundle.folder().join(MANIFEST);
        let runner = VisionRunner::load(sessions, vision, &manifest, |graph| GraphFile::check(bundle, graph))?;
        let runner = Arc::new(runner);
        if !check_hashes {
            return Ok(Some(ModelVision { runner, identity }));
        }
        let mut all = all_held();
        // Another thread may have loaded the same meanwhile.
        if let Some(runner) = find(&all, &identity, &settings) {
            return Ok(Some(ModelVision { runner, identity }));
        }
        all.push(Held { identity: Arc::clone(&identity), settings, runner: Arc::downgrade(&runner) });
        Ok(Some(ModelVision { runner, identity }))
    }
}
