//! Tests of reading and writing `.npz`.

use std::fs::File;
use std::io::Write;

use ndarray::{Array0, Array1, ShapeBuilder};
use ndarray_npy::{WritableElement, WriteNpyExt};

use super::*;

/// Writes features as the published tools do.
///
/// There are `n` regions of 3 features, `start + 10 · region + feature`.
fn write_published(file: &Path, n: usize, start: f32) {
    let x = Array2::from_shape_fn((3, n), |(k, region)| start + 10.0 * region as f32 + k as f32);
    let boxes = Array2::from_shape_fn((n, 4), |(region, k)| (region + 10 * (k / 2)) as f32);
    write_arrays(file, &x, &boxes, &arr0(480i64), &arr0(640i32));
}

fn write_arrays<H: WritableElement, W: WritableElement>(
    file: &Path,
    x: &Array2<f32>,
    boxes: &Array2<f32>,
    h: &Array0<H>,
    w: &Array0<W>,
) {
    let deflated = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    let mut writer = NpzWriter::new_with_options(File::create(file).unwrap(), deflated);
    writer.add_array("x", x).unwrap();
    writer.add_array("bbox", boxes).unwrap();
    writer.add_array("image_h", h).unwrap();
    writer.add_array("image_w", w).unwrap();
    writer.finish().unwrap();
}

fn error(file: &Path) -> String {
    read(file, 100).unwrap_err().to_string()
}

#[test]
fn columns_become_rows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.npz");
    write_published(&file, 4, 0.5);
    let NpzFeatures { regions, feature, vision_sha256 } = read(&file, 100).unwrap();
    assert_eq!(vision_sha256, None);
    assert_eq!((feature, regions.size, regions.boxes.len()), (3, (640, 480), 4));
    assert_eq!(regions.features[..6], [0.5, 1.5, 2.5, 10.5, 11.5, 12.5]);
    assert_eq!(regions.boxes[2], [2.0, 2.0, 12.0, 12.0]);
    let cut = read(&file, 2).unwrap().regions;
    assert_eq!((cut.boxes.as_slice(), cut.features.as_slice()), (&regions.boxes[..2], &regions.features[..6]));
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (published, ours) = (folder.path().join("a.npz"), folder.path().join("b.npz"));
    write_published(&published, 4, 0.5);
    let found = read(&published, 100).unwrap();
    write(&ours, &found.regions, 3, None).unwrap();
    assert_eq!(read(&ours, 100).unwrap(), found);
    assert!(matches!(write(&ours, &found.regions, 3, None), Err(Error::Exists { .. })));
    assert!(write(&folder.path().join("c.npz"), &found.regions, 4, None).is_err());
    // As many regions as features: the file says itself whose it is.
    let square = RegionFeatures { features: (0..9).map(|k| k as f32).collect(), ..cut(&found.regions, 3) };
    let file = folder.path().join("d.npz");
    write(&file, &square, 3, Some("0a1b")).unwrap();
    let expected = NpzFeatures { regions: square, feature: 3, vision_sha256: Some("0a1b".to_owned()) };
    assert_eq!(read(&file, 100).unwrap(), expected);
}

fn cut(regions: &RegionFeatures, n: usize) -> RegionFeatures {
    let d = regions.features.len() / regions.boxes.len();
    RegionFeatures {
        features: regions.features[..n * d].to_vec(),
        boxes: regions.boxes[..n].to_vec(),
        size: regions.size,
    }
}

#[test]
fn column_major_arrays_and_other_number_types_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, other) = (folder.path().join("a.npz"), folder.path().join("b.npz"));
    write_published(&plain, 4, 0.5);
    let x = Array2::from_shape_fn((3, 4).f(), |(k, region)| 0.5 + 10.0 * region as f32 + k as f32);
    assert!(!x.is_standard_layout());
    let boxes = Array2::from_shape_fn((4, 4), |(region, k)| (region + 10 * (k / 2)) as f64);
    let mut writer = NpzWriter::new(File::create(&other).unwrap());
    writer.add_array("x", &x).unwrap();
    writer.add_array("bbox", &boxes).unwrap();
    writer.add_array("image_h", &Array1::from_vec(vec![480.0f32])).unwrap();
    writer.add_array("image_w", &arr0(640u16)).unwrap();
    writer.finish().unwrap();
    assert_eq!(read(&plain, 100).unwrap(), read(&other, 100).unwrap());
}

/// Writes arrays, each as the content of a file of its own.
fn write_contents(file: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(File::create(file).unwrap());
    for (name, content) in arrays {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap();
}

fn npy<A: WritableElement, D: ndarray::Dimension>(array: &ndarray::Array<A, D>) -> Vec<u8> {
    let mut content = Vec::new();
    array.write_npy(&mut content).unwrap();
    content
}

/// An array of a type that the library does not write.
fn npy_of(kind: &str, is_fortran: bool, shape: &str, content: &[u8]) -> Vec<u8> {
    let fortran = if is_fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", (header.len() as u16).to_le_bytes().as_slice(), header.as_bytes(), content].concat()
}

/// The arrays of the file that [`write_published`] writes for 4 regions, `x` aside.
fn others() -> Vec<(&'static str, Vec<u8>)> {
    let boxes = Array2::from_shape_fn((4, 4), |(region, k)| (region + 10 * (k / 2)) as f32);
    vec![("bbox", npy(&boxes)), ("image_h", npy(&arr0(480i64))), ("image_w", npy(&arr0(640i64)))]
}

fn x_of_4_regions() -> Array2<f32> {
    Array2::from_shape_fn((3, 4), |(k, region)| 0.5 + 10.0 * region as f32 + k as f32)
}

/// Other extractors' transpose, float widths, names and more arrays are read.
#[test]
fn every_published_form_of_the_features_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.npz");
    write_published(&file, 4, 0.5);
    let expected = read(&file, 100).unwrap();
    let x = x_of_4_regions();
    let halves = |bytes: fn(half::f16) -> [u8; 2], x: ndarray::ArrayView2<'_, f32>| {
        x.iter().flat_map(|v| bytes(half::f16::from_f32(*v))).collect::<Vec<u8>>()
    };
    let forms = [
        ("x", npy(&x.t().as_standard_layout().into_owned())),
        ("x", npy(&x.mapv(f64::from))),
        ("x", npy(&x.t().mapv(f64::from))),
        ("features", npy(&x.t().as_standard_layout().into_owned())),
        ("x", npy_of("<f2", false, "(3, 4)", &halves(half::f16::to_le_bytes, x.view()))),
        ("x", npy_of(">f2", false, "(3, 4)", &halves(half::f16::to_be_bytes, x.view()))),
        ("x", npy_of("<f2", true, "(3, 4)", &halves(half::f16::to_le_bytes, x.t()))),
        ("x", npy_of("<f2", false, "(4, 3)", &halves(half::f16::to_le_bytes, x.t()))),
    ];
    for (k, (name, form)) in forms.into_iter().enumerate() {
        let mut arrays = others();
        arrays.push((name, form));
        arrays.push(("info", npy_of("|O", false, "()", b"\x80\x04K\x01.")));
        write_contents(&file, &arrays);
        assert_eq!(read(&file, 100).unwrap(), expected, "{k}");
    }
}

#[test]
fn rows_that_fill_a_table_up_are_no_regions() {
    let folder = tempfile::tempdir().unwrap();
    let (short, padded) = (folder.path().join("a.npz"), folder.path().join("b.npz"));
    write_published(&short, 4, 0.5);
    let expected = read(&short, 100).unwrap();
    let mut x = Array2::<f32>::zeros((3, 10));
    x.slice_mut(s![.., ..4]).assign(&x_of_4_regions());
    let mut boxes = Array2::<f32>::zeros((10, 4));
    boxes.slice_mut(s![..4, ..]).assign(&Array2::from_shape_fn((4, 4), |(region, k)| (region + 10 * (k / 2)) as f32));
    let sizes = || vec![("image_h", npy(&arr0(480i64))), ("image_w", npy(&arr0(640i64)))];
    let run = |x: &Array2<f32>, count: Option<(&'static str, i64)>| {
        let mut arrays = sizes();
        arrays.extend([("x", npy(x)), ("bbox", npy(&boxes))]);
        arrays.extend(count.map(|(name, n)| (name, npy(&Array1::from_vec(vec![n])))));
        write_contents(&padded, &arrays);
        read(&padded, 100).map_err(|e| e.to_string())
    };
    for x in [&x, &x.t().as_standard_layout().into_owned()] {
        for count in [None, Some(("num_bbox", 4)), Some(("num_boxes", 4))] {
            assert_eq!(run(x, count).as_ref(), Ok(&expected), "{count:?}");
        }
    }
    assert_eq!(run(&x, Some(("num_bbox", 2))).unwrap().regions, cut(&expected.regions, 2));
    assert!(run(&x, Some(("num_bbox", 11))).unwrap_err().contains("num_bbox: expected at most 10, as bbox has rows"));
    assert!(run(&x, Some(("num_bbox", 0))).unwrap_err().contains("one whole number of regions above 0"));
}

#[test]
fn boxes_in_parts_of_the_image_and_with_further_columns_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.npz");
    write_published(&file, 4, 0.5);
    let expected = read(&file, 100).unwrap().regions;
    let run = |columns: &dyn Fn([f64; 4]) -> Vec<f64>, with_size: bool| {
        let rows: Vec<Vec<f64>> = expected.boxes.iter().map(|b| columns(b.map(f64::from))).collect();
        let boxes = Array2::from_shape_vec((4, rows[0].len()), rows.concat()).unwrap();
        let mut arrays = vec![("x", npy(&x_of_4_regions())), ("bbox", npy(&boxes))];
        if with_size {
            arrays.extend([("image_h", npy(&arr0(480i64))), ("image_w", npy(&arr0(640i64)))]);
        }
        write_contents(&file, &arrays);
        read(&file, 100).map(|found| found.regions).map_err(|e| e.to_string())
    };
    let parts = |b: [f64; 4]| [b[0] / 640.0, b[1] / 480.0, b[2] / 640.0, b[3] / 480.0];
    let with = |b: [f64; 4], more: &[f64]| [&b[..], more].concat();
    let area = |b: [f64; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let forms: [&dyn Fn([f64; 4]) -> Vec<f64>; 6] = [
        &|b| with(parts(b), &[]),
        &|b| with(parts(b), &[area(parts(b))]),
        &|b| with(b, &[area(b) / (640.0 * 480.0)]),
        &|b| with(b, &[(b[2] - b[0] + 1.0) * (b[3] - b[1] + 1.0)]),
        &|b| with(parts(b), &[parts(b)[2] - parts(b)[0], parts(b)[3] - parts(b)[1]]),
        &|b| with(b, &[b[2] - b[0] + 1.0, b[3] - b[1] + 1.0]),
    ];
    for (k, form) in forms.into_iter().enumerate() {
        let found = run(form, true).unwrap();
        let near =
            found.boxes.as_flattened().iter().zip(expected.boxes.as_flattened()).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(near && found.features == expected.features, "{k}: {found:?}");
    }
    // A number of the image before the corners, as some tools have it.
    let error = run(&|b| [&[0.0], &b[..]].concat(), true).unwrap_err();
    assert!(error.contains("bbox: expected x1 y1 x2 y2, then nothing"), "{error}");
    assert!(run(&|b| with(b, &[1.0, 2.0, 3.0]), true).unwrap_err().contains("n × 4 numbers"));
    // Without the image's size pixels are pixels.
    let found = run(&|b| with(b, &[]), false).unwrap();
    assert_eq!((found.size, &found.boxes), ((0, 0), &expected.boxes));
    assert!(run(&|b| with(parts(b), &[]), false).unwrap_err().contains("does not say how large"));
}

#[test]
fn what_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.npz");
    let (x, boxes) = (x_of_4_regions(), Array2::<f32>::ones((4, 4)) * 5.0);
    let with = |x: &Array2<f32>, boxes: &Array2<f32>, h: f64| {
        write_arrays(&file, x, boxes, &arr0(h), &arr0(9i64));
        error(&file)
    };
    let found = with(&Array2::ones((3, 5)), &boxes, 5.0);
    assert!(found.contains("a.npz: x: expected numbers for 4 boxes, D × 4 or 4 × D, found 3 × 5"), "{found}");
    // Either way of reading would do.
    let found = with(&Array2::ones((4, 4)), &boxes, 5.0);
    assert!(found.contains("another number of features than of regions") && found.contains("found 4 × 4"), "{found}");
    assert!(with(&x, &Array2::zeros((4, 3)), 5.0).contains("bbox: expected n × 4"));
    assert!(with(&Array2::zeros((3, 0)), &Array2::zeros((0, 4)), 5.0).contains("n ≥ 1"));
    assert!(with(&Array2::zeros((3, 4)), &Array2::zeros((4, 4)), 5.0).contains("at least one region"));
    assert!(with(&x, &boxes, 0.0).contains("image_h"));
    assert!(with(&x, &boxes, 5.5).contains("found 5.5"));
    let mut bad = x.clone();
    bad[[1, 2]] = f32::NAN;
    assert!(with(&bad, &boxes, 5.0).contains("x: expected finite numbers, found NaN for region 2"));
    let mut bad = boxes.clone();
    bad[[3, 0]] = 6.0;
    assert!(with(&x, &bad, 5.0).contains("for region 3"));
    std::fs::write(&file, "no archive").unwrap();
    assert!(error(&file).contains("an npz archive"));
    let wrong = |arrays: &[(&str, Vec<u8>)]| {
        write_contents(&file, arrays);
        error(&file)
    };
    let sized = |name, content| [others(), vec![(name, content)]].concat();
    assert!(wrong(&others()).contains("a.npz: x: expected an array of this name"));
    let found = wrong(&sized("x", npy(&Array2::<i32>::ones((3, 4)))));
    assert!(found.contains("x: expected numbers of type f2, f4 or f8, found i4"), "{found}");
    let found = wrong(&sized("x", npy_of("|O", false, "(3, 4)", b"\x80\x04.")));
    assert!(found.contains("x: expected an array of numbers, found pickled Python objects"), "{found}");
    for bytes in [23, 25, 30] {
        let found = wrong(&sized("x", npy_of("<f2", false, "(3, 4)", &vec![0; bytes])));
        assert!(found.contains("x: expected the numbers that its header says"), "{found}");
    }
    let found = wrong(&sized("x", npy(&x.mapv(|v| f64::from(v) * 1e300))));
    assert!(found.contains("x: expected finite numbers, found inf"), "{found}");
    let with_mark = |mark: &str| [sized("x", npy(&x)), vec![(VISION, npy(&Array1::from_iter(mark.bytes())))]].concat();
    assert!(wrong(&with_mark("a\nb")).contains("vision_sha256: expected 1 to 128 letters"));
    assert!(wrong(&with_mark(&"a".repeat(129))).contains("vision_sha256: expected 1 to 128 letters"));
    let mut one = sized("x", npy(&x));
    one.retain(|(name, _)| *name != "image_w");
    assert!(wrong(&one).contains("image_w: expected an array of this name"));
}

#[test]
fn what_follows_the_numbers_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.npz");
    // A gigabyte of zeros behind sixteen numbers, deflated to a megabyte.
    let deflated = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    let mut archive = zip::ZipWriter::new(File::create(&file).unwrap());
    archive.start_file("bbox.npy", deflated).unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }\n";
    archive.write_all(b"\x93NUMPY\x01\x00").unwrap();
    archive.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
    archive.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..1024).for_each(|_| archive.write_all(&zeros).unwrap());
    archive.finish().unwrap();
    let start = std::time::Instant::now();
    assert!(error(&file).contains("bbox: expected the numbers that its header says"));
    assert!(start.elapsed().as_secs() < 5);
    assert!(read(folder.path(), 9).unwrap_err().to_string().contains("a regular file"));
}

#[test]
fn a_header_that_promises_too_much_is_an_error_before_anything_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.npz");
    let put = |header: &str| {
        let mut archive = zip::ZipWriter::new(File::create(&file).unwrap());
        archive.start_file("bbox.npy", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(b"\x93NUMPY\x01\x00").unwrap();
        archive.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
        archive.write_all(header.as_bytes()).unwrap();
        archive.write_all(&[0; 64]).unwrap();
        archive.finish().unwrap();
        error(&file)
    };
    let header = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    assert!(put(&header("(4, 4)")).contains("x: expected an array"), "the header is one that is read");
    assert!(put(&header("(1099511627776, 4)")).contains("at most"));
    assert!(put(&header("(4611686018427387904, 4)")).contains("at most"));
    assert!(put(&header("(5, 4)")).contains("the numbers that its header says"));
    assert!(put(&header(&"(".repeat(20_000))).contains("bbox: expected an array"));
}
