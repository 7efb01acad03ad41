// Uses every class of the C++ header: every_class VQA ITM VGD IMAGE SCRATCH

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include "mmnas_runtime.hpp"

namespace {

int failures = 0;

void expect(bool holds, int line, const char *what)
{
    if (!holds) {
        std::cerr << "every_class.cpp:" << line << ": " << what << '\n';
        ++failures;
    }
}

#define EXPECT(condition) expect((condition), __LINE__, #condition)

bool near(float a, float b) { return std::fabs(a - b) <= 1e-4f; }

std::vector<std::uint8_t> content(const std::filesystem::path &path)
{
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

void vqa(const std::string &bundle, const std::string &file)
{
    mmnas::Options options;
    options.set_threads(1).or_throw();
    options.set_spinning(false).or_throw();
    options.set_check_hashes(false).or_throw();
    options.set_operators_at_once(1).or_throw();
    options.set_device(0).or_throw();
    options.set_memory_limit(0).or_throw();
    options.set_tensorrt("", false).or_throw();
    options.add_provider(MMNAS_PROVIDER_CUDA).or_throw();
    options.add_provider(MMNAS_PROVIDER_CPU).or_throw();
    options.set_variant("ort-fp32").or_throw();
    const auto wrong = options.set_variant("fp64");
    EXPECT(!wrong && wrong.error().status == MMNAS_STATUS_INVALID_ARGUMENT);
    EXPECT(wrong.error().message.find("fp64") != std::string::npos);

    mmnas::Files files;
    std::map<std::string, std::vector<std::uint8_t>> contents;
    for (const auto &entry : std::filesystem::directory_iterator(bundle))
        contents[entry.path().filename().string()] = content(entry.path());
    for (const auto &[name, bytes] : contents)
        files.add(name, bytes).or_throw();
    const auto kept = mmnas::Model::load(files, &options).or_throw();
    auto model = mmnas::Model::load(bundle, &options).or_throw();
    EXPECT(model.task() == MMNAS_TASK_VQA && model.variant() == "ort-fp32" && model.takes_pictures());
    EXPECT(model.provider() == MMNAS_PROVIDER_CPU || model.provider() == MMNAS_PROVIDER_CUDA);
    model.warm_up().or_throw();

    const auto image = mmnas::Image::from_file(model, file).or_throw();
    const auto same = mmnas::Image::from_bytes(kept, content(file)).or_throw();
    EXPECT(image.size() == same.size() && image.regions() == same.regions() && image.region(0)[2] > 0);
    const auto answers = model.answer(image, "what is this?", 2).or_throw();
    const auto others = kept.answer(same, "what is this?", 2).or_throw();
    EXPECT(answers.size() == 2 && answers[0].label == others[0].label);
    EXPECT(near(answers[0].probability, others[0].probability));
    EXPECT(answers[2].label.empty());
    EXPECT(near(answers[0].probability, 1 / (1 + std::exp(-answers[0].logit))));

    const auto foreign = model.answer(same, "what is this?", 2);
    EXPECT(!foreign && foreign.error().status == MMNAS_STATUS_INVALID_ARGUMENT);
    bool thrown = false;
    try {
        (void)model.answer(image, "?", 1).or_throw();
    } catch (const mmnas::Exception &exception) {
        thrown = exception.error().status == MMNAS_STATUS_EMPTY_TEXT;
    }
    EXPECT(thrown);

    const auto texts = mmnas::Text::encode_batch(model, std::vector<std::string>{"a b", "what"}).or_throw();
    const auto batch =
        model.answer_batch(std::vector<const mmnas::Image *>{&image, &image}, texts, 1).or_throw();
    EXPECT(texts.size() == 2 && batch.size() == 2 && texts[1].tokens() == 1);
    const auto uneven = model.answer_batch(std::vector<const mmnas::Image *>{&image}, texts, 1);
    EXPECT(!uneven && uneven.error().status == MMNAS_STATUS_INVALID_ARGUMENT);

    const auto unknown = mmnas::Text::unknown_words(model, "what, a Wug?").or_throw();
    EXPECT(unknown.size() == 3 && unknown[2] == "Wug");

    const std::vector<std::uint8_t> pixels(30 * 20 * 3, 100);
    const auto grey = mmnas::Image::from_pixels(model, pixels, 30, 20, 90, MMNAS_PIXEL_FORMAT_RGB).or_throw();
    EXPECT((grey.size() == std::pair<std::uint32_t, std::uint32_t>(30, 20)));
    const std::vector<float> features(2 * model.feature_width(), 0.1f);
    const float boxes[] = {0, 0, 5, 5, 2, 2, 9, 9};
    EXPECT(mmnas::Image::from_regions(model, features, boxes, 10, 10).or_throw().regions() == 2);

    const mmnas::CancelToken token;
    const auto limited = model.limited(&token, std::chrono::minutes(10)).or_throw();
    token.cancel().or_throw();
    EXPECT(token.is_cancelled());
    mmnas::CancelToken gone;
    const mmnas::CancelToken taken = std::move(gone);
    EXPECT(model.limited(&gone).error().status == MMNAS_STATUS_INVALID_ARGUMENT);
    EXPECT(limited.answer(image, "what", 1).error().status == MMNAS_STATUS_CANCELLED);

    const mmnas::Model moved = std::move(model);
    EXPECT(model.get() == nullptr && model.answer(image, "what", 1).error().status == MMNAS_STATUS_INVALID_ARGUMENT);
    EXPECT(moved.answer(image, "what", 1).has_value());
}

void vgd(const std::string &bundle, const std::string &file, const std::string &scratch)
{
    const auto model = mmnas::Model::load(bundle).or_throw();
    const auto image = mmnas::Image::from_file(model, file).or_throw();
    const auto groundings = model.ground(image, "what is this?", 2).or_throw();
    EXPECT(groundings.size() == 2 && groundings[0].probability >= groundings[1].probability);
    groundings.draw(file, scratch + "/boxes.png").or_throw();
    const auto text = mmnas::Text::encode(model, "what is this?").or_throw();
    const auto batch = model.ground_batch(std::vector<const mmnas::Image *>{&image},
                                          std::vector<const mmnas::Text *>{&text}, 2).or_throw();
    EXPECT(near(batch[0][0].box[3], groundings[0].box[3]));
    const auto explanation = model.explain(image, "what is this?").or_throw();
    EXPECT(explanation.words() == 3 && explanation.word(0).word == "what" && explanation.regions() == image.regions());
    EXPECT(explanation.region(0).box[2] > 0);
    explanation.draw(file, "what is this?", scratch + "/shades.png").or_throw();
}

void itm(const std::string &bundle, const std::string &file, const std::string &scratch)
{
    const auto model = mmnas::Model::load(bundle).or_throw();
    std::vector<mmnas::Image> images;
    images.push_back(mmnas::Image::from_file(model, file).or_throw());
    const std::vector<std::uint8_t> pixels(30 * 20 * 3, 100);
    images.push_back(mmnas::Image::from_pixels(model, pixels, 30, 20, 90, MMNAS_PIXEL_FORMAT_RGB).or_throw());
    std::vector<mmnas::Text> texts;
    texts.push_back(mmnas::Text::encode(model, "a").or_throw());
    texts.push_back(mmnas::Text::encode(model, "b c").or_throw());
    const auto matches = model.match(images, texts).or_throw();
    EXPECT(matches.size() == 2 && matches[0].probability > 0);
    EXPECT(model.rank_images(texts[0], images, 1).or_throw().size() == 1);
    EXPECT(model.rank_texts(images[0], texts, 2).or_throw().size() == 2);

    auto index = mmnas::Index::create(model, scratch + "/index", MMNAS_INDEX_KIND_IMAGES).or_throw();
    // Keys that are names of files, for the picture.
    const std::string name = std::filesystem::path(file).filename().string();
    index.put(name, images[0]).or_throw();
    index.put("gone", images[1]).or_throw();
    index.commit().or_throw();
    EXPECT(index.size() == 2 && index.contains(name) && index.embedding_width() > 0 && index.bytes().first > 0);
    index.erase("gone").or_throw();
    index.compact().or_throw();
    EXPECT(index.keys().or_throw() == std::vector<std::string>{name});
    const auto ranking = index.find(texts[0], 5).or_throw();
    EXPECT(ranking.size() == 1 && ranking[0].key == name);
    EXPECT(index.find_images(texts, 1).or_throw()[1].size() == 1 && !index.find_texts(images, 1));
    EXPECT(mmnas::Index::kind_of(scratch + "/index").or_throw() == MMNAS_INDEX_KIND_IMAGES);
    EXPECT(index.embedding(name).or_throw().size() == index.embedding_width() && !index.embedding("gone"));
    EXPECT(index.image(name).or_throw().regions() == images[0].regions() && !index.image("gone"));
    ranking.draw(std::filesystem::path(file).parent_path().string(), "a", scratch + "/ranking.png").or_throw();
    index.export_embeddings(scratch + "/e.npy", MMNAS_EMBEDDING_FORMAT_NPY).or_throw();
    EXPECT(!index.find(images[0], 1) && !index.put("t", texts[0]));
    EXPECT(mmnas::Index::open(model, scratch + "/index", MMNAS_INDEX_KIND_IMAGES, false).or_throw().size() == 1);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 6)
        return 1;
    try {
        vqa(argv[1], argv[4]);
        itm(argv[2], argv[4], argv[5]);
        vgd(argv[3], argv[4], argv[5]);
        const auto verification = mmnas::Verification::of(argv[1]).or_throw();
        EXPECT(verification.passed() && verification.size() > 0 && !verification[0].stage.empty());
        EXPECT(!mmnas::version().empty() && !mmnas::onnxruntime_path().empty() && !mmnas::onnxruntime_version().empty());
        EXPECT(!mmnas::Model::load("/nonexistent"));
    } catch (const mmnas::Exception &exception) {
        std::cerr << exception.what() << '\n';
        return 1;
    }
    EXPECT(mmnas_handles_live() == 0);
    if (failures)
        return 1;
    std::cout << "alive\n";
    return 0;
}
