//! What a front is made of: a finished search, a table of latencies and the constants.

use std::path::{Path, PathBuf};

use mmnas_bundle::latency::costs::{NetworkCosts, Quantity};
use mmnas_bundle::latency::table::LatencyTable;
use mmnas_bundle::manifest::{Form, Format};
use mmnas_bundle::{Architecture, Error as BundleError, sha256_of_file};
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::operations::pool::Pool;
use crate::pareto::evolve::{Baseline, evolve};
use crate::pareto::known_scores::KnownScores;
use crate::recipe::Recipe;
use crate::recipe::limited_part::LimitedPart;
use crate::run::derived::check_sizes;
use crate::run::folder::{RunFolder, RunInputs};
use crate::space::front::{FRONT_FORMAT, Front, FrontSettings, FrontSource};
use crate::space::search_space::Space;
use crate::task::Task;
use crate::train::shared_scorer::shared_scorer;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontRequest {
    /// Folder of a finished search.
    pub run: PathBuf,
    /// What `mmnas profile` wrote.
    pub latency: PathBuf,
    /// Form of the graphs.
    pub form: Form,
    /// The part of a call that counts.
    pub of: LimitedPart,
    /// What the networks take.
    pub quantity: Quantity,
    /// The constants.
    pub settings: FrontSettings,
    /// Architectures to compare with.
    pub baselines: Vec<Baseline>,
    /// The front's file.
    pub out: PathBuf,
}

/// A front to be made, checked before any data is read.
#[derive(Debug)]
pub struct FrontPlan {
    request: FrontRequest,
    run: RunFolder,
    inputs: RunInputs,
    recipe: Recipe,
    space: Space,
    table: LatencyTable,
    costs: NetworkCosts,
}

impl FrontPlan {
    /// Reads the run and the table.
    ///
    /// # Errors
    /// [`Error::Bundle`](crate::error::Error::Bundle) for a front that exists, files that cannot be
    /// read, a retraining, a table of another task or of other sizes, and operations of the space,
    /// or a vision stage, that the table lacks. Those of [`RunFolder::recipe`].
    pub fn new(request: FrontRequest) -> Result<FrontPlan> {
        if request.out.exists() {
            return Err(BundleError::Exists { path: request.out }.into());
        }
        let file = &request.latency;
        let table = LatencyTable::read(file)?;
        let costs = NetworkCosts::of(&table, file, request.form, request.quantity)?;
        let run = RunFolder::at(&request.run);
        let (inputs, recipe) = (run.inputs()?, run.recipe()?);
        if inputs.architecture.is_some() {
            let file = run.file("inputs.json");
            return Err(BundleError::invalid(file, "architecture", "null, as a search has", "a retraining's").into());
        }
        let measured = table.task.to_string();
        if inputs.task != measured {
            let expected = format!("{}, as searched", inputs.task);
            return Err(BundleError::invalid(file, "task", expected, measured).into());
        }
        check_sizes(&run, &table, file)?;
        request.of.before(&costs, file)?;
        let space = recipe.space(&Pool::standard())?;
        let plan = FrontPlan { run, inputs, recipe, space, table, costs, request };
        plan.check_measured()?;
        for baseline in &plan.request.baselines {
            plan.cost(&baseline.architecture)?;
        }
        Ok(plan)
    }

    /// The recipe of the run.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The table of latencies.
    pub fn table(&self) -> &LatencyTable {
        &self.table
    }

    /// What a network takes.
    fn cost(&self, architecture: &Architecture) -> Result<f64> {
        Ok(self.request.of.of(self.costs.predict(architecture, &self.request.latency)?))
    }

    /// Checks that every operation was measured wherever it may stand.
    ///
    /// An hour of scoring must not end with the first network that has it.
    fn check_measured(&self) -> Result<()> {
        let names = self.space.operations();
        let (encoder, decoder) = names.split_at(self.space.encoder.len());
        let first = |side: &[Vec<_>]| side.first().and_then(|block| block.first()).copied();
        for operation in encoder.iter().flatten() {
            self.cost(&Architecture { encoder: vec![*operation], decoder: first(decoder).into_iter().collect() })?;
        }
        let readers: Vec<_> = decoder.iter().flatten().filter(|operation| operation.reads_text()).collect();
        for operation in decoder.iter().flatten() {
            // Alone it is in the image stage, after one that reads the text in the fusion stage.
            for before in std::iter::once(None).chain(readers.iter().map(Some)) {
                let decoder = before.map(|reader| **reader).into_iter().chain([*operation]).collect();
                self.cost(&Architecture { encoder: first(encoder).into_iter().collect(), decoder })?;
            }
        }
        Ok(())
    }

    /// What decides the scores, and which architectures are scored.
    fn settings(&self, latency_sha256: &str) -> Result<Map<String, Value>> {
        let FrontRequest { form, of, quantity, settings, baselines, .. } = &self.request;
        let baselines: Vec<String> = baselines.iter().map(|b| format!("{} {}", b.name, b.architecture)).collect();
        let settings = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "run": sha256_of_file(&self.run.checkpoint())?,
            "latency": latency_sha256,
            "form": form,
            "of": of,
            "quantity": quantity,
            "population": settings.population,
            "generations": settings.generations,
            "mutation": settings.mutation,
            "samples_compared": settings.samples_compared,
            "random": settings.random,
            "seed": settings.seed,
            "baselines": baselines,
        });
        Ok(if let Value::Object(settings) = settings { settings } else { Map::new() })
    }

    /// Evolves the front and writes it.
    ///
    /// # Errors
    /// [`Error::OtherRun`](crate::error::Error::OtherRun) for other data than the search's, or for
    /// scores that a killed run left and that were made otherwise. A search that has not ended.
    /// Features that cannot be read, a file that cannot be written.
    pub fn evolve<T: Task>(&self, task: &T) -> Result<Front> {
        let FrontRequest { latency, form, of, quantity, settings, baselines, out, .. } = &self.request;
        self.run.check_inputs(&task.data().run_inputs(T::NAME, None))?;
        let latency_sha256 = sha256_of_file(latency)?;
        let mut known = KnownScores::open(out, self.settings(&latency_sha256)?)?;
        let scorer = shared_scorer(&self.recipe, &Pool::standard(), task, &self.run)?;
        let samples = &scorer.to_compare[..settings.samples_compared.min(scorer.to_compare.len())];
        let cost = |architecture: &Architecture| self.cost(architecture);
        let mut score = |choices: &[usize]| scorer.score(choices, samples);
        let found = evolve(&self.space, *quantity, &cost, settings, baselines, &mut known, &mut score)?;
        let source = FrontSource {
            name: name_of(&self.request.run),
            recipe: serde_json::to_value(&self.recipe).map_err(|e| BundleError::json("recipe", &e))?,
            samples_sha256: self.inputs.samples_sha256.clone(),
            vision_sha256: self.inputs.vision_sha256.clone(),
            latency_sha256,
            hidden: self.table.dimensions.hidden,
            tokens: self.table.tokens,
            regions: self.table.regions,
            settings: settings.clone(),
            samples: samples.len(),
            scored: known.len(),
            added: 0.0,
        };
        let front = Front {
            format: Format::current(FRONT_FORMAT),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            task: self.table.task,
            form: *form,
            of: *of,
            quantity: *quantity,
            environment: self.table.environment.clone(),
            sources: vec![source],
            points: found.points,
            baselines: found.baselines,
            random: found.random,
        };
        front.write(out)?;
        known.remove();
        Ok(front)
    }
}

/// The name of a folder, however it was called.
fn name_of(folder: &Path) -> String {
    let path = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    path.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}
