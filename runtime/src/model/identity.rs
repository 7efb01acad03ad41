//! The number of a network, by which states and indexes tell models apart.

use mmnas_bundle::manifest::Manifest;

/// A number of the network that made the states: of all graphs' hashes.
pub(crate) fn fingerprint(manifest: &Manifest) -> String {
    let graphs = manifest.stages.named().into_iter().flat_map(|(_, stage)| &stage.graphs);
    let files = graphs.flat_map(|graph| graph.files()).filter_map(|file| Some((file, manifest.files.get(file)?)));
    let lines: String = files.map(|(name, record)| format!("{name} {}\n", record.sha256)).collect();
    mmnas_bundle::sha256_hex(lines.as_bytes())
}
