//! What a bundle is checked against is drawn where rounding stays rounding.

use mmnas_bundle::manifest::{Precision, TaskName};
use mmnas_bundle::param_names;
use mmnas_runtime::{LoadOptions, Timed};
use mmnas_search::Inputs;
use mmnas_search::bundle::golden::{record_stages, seeded_inputs};
use mmnas_tests::alone::alone;
use mmnas_tests::exported::{formula_network, weights_of, write};
use mmnas_tests::fixtures::official;
use tch::{Kind, Tensor};

const STEEP: f64 = 1000.0;

/// `ln(|cᵢ − cⱼ| / sᵢ)` along x, the largest of all pairs of the first image.
fn largest_distance(inputs: &Inputs) -> f64 {
    let corner = |k: i64| inputs.boxes.get(0).select(-1, k).to_kind(Kind::Double);
    let (centre, size) = ((corner(0) + corner(2)) * 0.5, corner(2) - corner(0) + 1.0);
    ((centre.unsqueeze(-1) - centre.unsqueeze(-2)).abs() / size.unsqueeze(-1)).max().log().double_value(&[])
}

/// A head that relates regions by a thousand times how far they are, less what the farthest pair has: whether that pair is above the least
/// relation, and all that its region attends to then, is decided by the last bits of the boxes.
#[test]
fn inputs_at_which_rounding_decides_are_drawn_again() {
    let _alone = alone();
    let json = r#"{"epoch0": {"enc": [["self_att_64"]], "dec": [["rel_self_att_64"]]}}"#;
    let architecture = mmnas_bundle::Architecture::from_published_json(json, std::path::Path::new("test")).unwrap();
    let network = formula_network(TaskName::Vgd, &architecture, &official(64, 1));
    let first = seeded_inputs(&network, 6, 12, 3);
    let drawn_first = |recorded: &[mmnas_export::GoldenTensor]| {
        let boxes = recorded.iter().find(|tensor| tensor.name == "image.in.boxes").unwrap();
        let expected: Vec<f32> = Vec::try_from(first.boxes.flatten(0, -1)).unwrap();
        boxes.bytes == expected.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()
    };
    assert!(drawn_first(&record_stages(&network, TaskName::Vgd, 6, 12, 3).unwrap()), "of a network that is steady");
    tch::no_grad(|| {
        let set = |name: &str, value: &Tensor| network.parameters()[name].shallow_clone().copy_(value);
        let relation = format!("{}.mhatt.linear_r", param_names::decoder_block(0));
        let zeros = |name: &str| network.parameters()[name].zeros_like();
        for (name, value) in [("linear_y_rel.weight", 1.0), (&format!("{relation}.weight"), STEEP)] {
            let one = zeros(name);
            let _ = one.get(0).narrow(0, 0, 1).fill_(value);
            set(name, &one);
        }
        set("linear_y_rel.bias", &zeros("linear_y_rel.bias"));
        let bias = format!("{relation}.bias");
        set(&bias, &(zeros(&bias) - STEEP * largest_distance(&first)));
    });
    let recorded = record_stages(&network, TaskName::Vgd, 6, 12, 3).unwrap();
    assert!(!drawn_first(&recorded), "inputs at which rounding decides");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bundle");
    write((TaskName::Vgd, &network), &architecture, &weights_of(&network), &recorded, Default::default(), &out);
    let report = mmnas_runtime::verify(&out, &LoadOptions::default(), Timed::No).unwrap();
    let of_image = report.checks.iter().find(|c| c.stage == "image" && c.form.precision == Precision::Fp32);
    let worst = of_image.unwrap().worst;
    assert!(worst < 1e-5, "{worst}");
}
