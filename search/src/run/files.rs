//! The names of the files in a run's folder.

/// File of the trained weights in a run's folder.
pub(crate) const NETWORK: &str = "network.safetensors";

/// File of the [`NetworkRecord`].
pub(crate) const RECORD: &str = "network.json";

/// File of the answers.
pub(crate) const LABELS: &str = "labels.json";

/// File of the tokenizer.
pub(crate) const TOKENIZER: &str = "tokenizer.json";

/// Mean of the features, beside the weights.
pub(crate) const FEATURE_MEAN: &str = "feature_norm.mean";

/// Deviation of the features, beside the weights.
pub(crate) const FEATURE_STD: &str = "feature_norm.std";

/// File of the recipe that a run was started with.
pub(crate) const RECIPE: &str = "recipe.toml";

/// File of the architecture that a search found, in the published form.
pub(crate) const ARCHITECTURE: &str = "architecture.json";

/// The file of a run's records, one a line.
pub(crate) const LOG: &str = "log.jsonl";

/// File of a run's examples, one example a line.
pub const EXAMPLES: &str = "examples.jsonl";

/// The table of the device that a search's limits are for.
pub const LATENCY: &str = "latency.json";
