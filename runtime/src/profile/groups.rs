//! Groups of graphs that are measured together: those of one form.
//!
//! A prediction adds up what its stages take, so all of them have to be measured while the machine is in one state:
//! clocks and neighbours of a virtual machine change within seconds.

use std::path::Path;

use mmnas_bundle::latency::probes::{Probe, Probes, Stack};
use mmnas_bundle::latency::table::{LatencyTable, Measurement};
use mmnas_bundle::manifest::Form;

use crate::error::{Error, Result};
use crate::profile::settings::ProfileSettings;

/// A graph of a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbeGraph<'a> {
    pub probe: &'a Probe,
    pub form: Form,
}

/// Graphs that are in memory together, and whose times are compared and added up.
#[derive(Debug)]
pub(super) struct Group<'a>(pub Vec<ProbeGraph<'a>>);

/// The groups of `probes` in the form `wanted`, or in every form; `file` names the description in errors.
///
/// What comes before a network has one form, and is measured with the first group whatever is wanted.
pub(super) fn groups<'a>(probes: &'a Probes, wanted: Option<Form>, file: &Path) -> Result<Vec<Group<'a>>> {
    let forms = probes.forms();
    if let Some(form) = wanted.filter(|form| !forms.contains(form)) {
        let found = forms.iter().map(Form::to_string).collect::<Vec<_>>().join(", ");
        return Err(Error::invalid(file, "probes.graphs", format!("graphs {form}"), found));
    }
    let of = |stacks: &'static [Stack]| probes.probes.iter().filter(move |probe| stacks.contains(&probe.stack));
    let before = of(&Stack::BEFORE);
    let before = before.flat_map(|probe| probe.stage.graphs.iter().map(move |g| ProbeGraph { probe, form: g.form() }));
    let mut before: Vec<ProbeGraph<'a>> = before.collect();
    let mut groups = Vec::new();
    for form in forms.into_iter().filter(|form| wanted.is_none_or(|wanted| wanted == *form)) {
        let network = of(&Stack::ALL).map(|probe| ProbeGraph { probe, form });
        groups.push(Group(network.chain(std::mem::take(&mut before)).collect()));
    }
    Ok(groups)
}

impl Group<'_> {
    /// Whether a table has all of it, as steady as `settings` want and in at least as many runs as they have rounds.
    pub(super) fn is_in(&self, table: &LatencyTable, settings: &ProfileSettings) -> bool {
        self.0.iter().all(|ProbeGraph { probe, form }| {
            let found = table.find(*form, probe.stack, probe.part);
            found.is_some_and(|m| m.spread <= settings.max_spread && m.runs >= settings.rounds)
        })
    }

    /// Whether it has the graph that was measured.
    pub(super) fn has(&self, measurement: &Measurement) -> bool {
        let is = |g: &ProbeGraph<'_>| (g.form, g.probe.stack) == (measurement.form(), measurement.stack);
        self.0.iter().any(is)
    }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::Operation;
    use mmnas_bundle::latency::probes::Part;
    use mmnas_bundle::latency::table::Environment;
    use mmnas_bundle::manifest::{Graph, Precision, Stage, Variant};

    use super::*;
    use crate::profile::inputs::tests::probes;

    const INT8: Form = Form { precision: Precision::Int8, ..Form::ORT_FP32 };

    fn some() -> Probes {
        let graph = |Form { variant, precision }| Graph { variant, precision, file: "a.onnx".to_owned(), data: None };
        let stage = Stage { graphs: vec![graph(Form::ORT_FP32), graph(INT8)], inputs: vec![], outputs: vec![] };
        let shared = Part::Shared { operation: Operation::GuidedAttention, count: 2 };
        let of = |(stack, part)| Probe { stack, part, stage: stage.clone() };
        let parts = [(Stack::Fusion, Part::Fixed), (Stack::Text, Part::Fixed), (Stack::Text, shared)];
        probes(parts.into_iter().map(of).collect())
    }

    #[test]
    fn a_group_is_a_network_in_a_form() {
        let (probes, file) = (some(), Path::new("probes.json"));
        let told = |wanted| {
            let groups = groups(&probes, wanted, file).unwrap();
            let told = |g: &Group<'_>| g.0.iter().map(|g| format!("{} {}", g.form, g.probe.stack)).collect::<Vec<_>>();
            groups.iter().map(|g| told(g).join(", ")).collect::<Vec<_>>()
        };
        let int8 = "ort-int8 fusion, ort-int8 text, ort-int8 text";
        assert_eq!(told(None), ["ort-fp32 fusion, ort-fp32 text, ort-fp32 text", int8]);
        assert_eq!(told(Some(INT8)), [int8]);
        let fp16 = Form { precision: Precision::Fp16, ..INT8 };
        let error = groups(&probes, Some(fp16), file).unwrap_err().to_string();
        assert_eq!(error, "probes.json: probes.graphs: expected graphs ort-fp16, found ort-fp32, ort-int8");
        let mut with_vision = some();
        let Form { variant, precision } = Form { variant: Variant::Portable, ..Form::ORT_FP32 };
        let graphs = vec![Graph { variant, precision, file: "v.onnx".to_owned(), data: None }];
        let stage = Stage { graphs, inputs: vec![], outputs: vec![] };
        with_vision.probes.push(Probe { stack: Stack::Vision, part: Part::Fixed, stage });
        let found = |wanted| {
            let groups = groups(&with_vision, wanted, file).unwrap();
            groups.iter().map(|g| g.0.iter().filter(|g| g.probe.stack == Stack::Vision).count()).collect::<Vec<_>>()
        };
        assert_eq!(found(Some(INT8)), [1]);
        // Once, whatever the network's form.
        assert_eq!(found(None), [1, 0]);
    }

    #[test]
    fn what_is_whole_and_steady_is_not_measured_again() {
        let probes = some();
        let groups = groups(&probes, None, Path::new("probes.json")).unwrap();
        let environment = Environment {
            device: String::new(),
            flags: vec![],
            provider: "cpu".to_owned(),
            threads: 1,
            onnxruntime: String::new(),
            system: String::new(),
        };
        let mut table = LatencyTable::new(&probes, String::new(), environment);
        let settings = ProfileSettings { rounds: 10, max_spread: 0.1 };
        assert!(!groups[0].is_in(&table, &settings));
        let mut add = |stack, part| {
            let Form { variant, precision } = Form::ORT_FP32;
            let (spread, runs) = (0.1, 10);
            let (milliseconds, bytes, memory, millijoules) = (1.0, 1, None, None);
            table.measurements.push(Measurement {
                stack,
                part,
                variant,
                precision,
                milliseconds,
                spread,
                runs,
                bytes,
                memory,
                millijoules,
            });
        };
        add(Stack::Fusion, Part::Fixed);
        add(Stack::Text, Part::Fixed);
        add(Stack::Text, Part::Shared { operation: Operation::GuidedAttention, count: 2 });
        let whole = |settings| groups.iter().map(|group| group.is_in(&table, &settings)).collect::<Vec<_>>();
        assert_eq!(whole(settings), [true, false]);
        assert_eq!(whole(ProfileSettings { max_spread: 0.05, ..settings }), [false; 2]);
        assert_eq!(whole(ProfileSettings { rounds: 11, ..settings }), [false; 2]);
        table.measurements.pop();
        assert!(!groups[0].is_in(&table, &settings));
    }
}
