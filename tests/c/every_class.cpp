// Uses every class of the C++ header: every_class VQA ITM VGD IMAGE SCRATCH

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <mutex>
#include <stdexcept>
// Clang before 16 cannot read what GCC's library has of views.
#if __cplusplus >= 202002L && (!defined(__clang__) || __clang_major__ >= 16)
#define HAS_VIEWS
#include <ranges>
#endif

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

#ifdef HAS_VIEWS
static_assert(std::ranges::random_access_range<mmnas::Answers> && std::ranges::sized_range<mmnas::Answers>);
static_assert(std::ranges::random_access_range<const mmnas::Groundings>);
static_assert(std::ranges::random_access_range<mmnas::Ranking> && std::ranges::common_range<mmnas::Ranking>);
static_assert(std::ranges::random_access_range<mmnas::Verification>);
static_assert(std::ranges::random_access_range<mmnas::Explanation::WordWeights>);
static_assert(std::ranges::random_access_range<mmnas::Image::Boxes>);
static_assert(std::ranges::viewable_range<mmnas::Answers>);
#endif

// A range gives what its places give, whichever way one goes through it.
template <class Range, class Same>
void goes_through(const Range &range, Same same)
{
    std::size_t place = 0;
    for (const auto &element : range)
        EXPECT(same(element, range[place++]));
    EXPECT(place == range.size() && range.empty() == (place == 0));
    auto at = range.end();
    EXPECT(at - range.begin() == static_cast<std::ptrdiff_t>(range.size()));
    while (at != range.begin()) {
        --at;
        --place;
        EXPECT(same(*at, range[place]) && same(range.begin()[static_cast<std::ptrdiff_t>(place)], *at));
    }
    EXPECT(place == 0 && !(at < range.begin()) && at <= range.end() && at + 0 == 0 + at);
    const std::vector<typename Range::value_type> values(range.begin(), range.end());
    EXPECT(values.size() == range.size());
}

void limits(const mmnas::Model &model, const mmnas::Image &image)
{
    using namespace std::chrono_literals;
    const mmnas::CancelToken token;
    for (int i = 0; i < 200; ++i)
        for (const auto time : {0ms, -1ms, std::chrono::milliseconds::min()})
            for (const mmnas::CancelToken *with : {static_cast<const mmnas::CancelToken *>(nullptr), &token}) {
                const auto late = model.limited(with, time).or_throw();
                EXPECT(late.answer(image, "what", 1).error().status == MMNAS_STATUS_DEADLINE_EXCEEDED);
                EXPECT(mmnas::Text::encode(late, "what").error().status == MMNAS_STATUS_DEADLINE_EXCEEDED);
            }
    for (const auto time : {std::optional(std::chrono::milliseconds::max()), std::optional<std::chrono::milliseconds>()})
        EXPECT(model.limited(&token, time).or_throw().answer(image, "what", 1).has_value());
    EXPECT(model.limited(nullptr, 10min).or_throw().answer(image, "what", 1).has_value());
}

void paths(const mmnas::Model &model, const std::filesystem::path &file, const std::filesystem::path &scratch)
{
    // As every kind of text that a path can be, with letters outside of ASCII.
    const std::filesystem::path folder = scratch / std::filesystem::path(u8"\u00E4 \u72AC");
    std::filesystem::create_directory(folder);
    const std::filesystem::path copy = folder / "image.png";
    std::filesystem::copy_file(file, copy);
    const std::string text = copy.string();
    EXPECT(mmnas::Image::from_file(model, copy).has_value());
    EXPECT(mmnas::Image::from_file(model, text).has_value());
    EXPECT(mmnas::Image::from_file(model, text.c_str()).has_value());
    EXPECT(mmnas::Image::from_file(model, std::string_view(text)).has_value());
    // Outside of Windows not every library converts more than ASCII.
    const std::filesystem::path plain = scratch / "image.png";
    std::filesystem::copy_file(file, plain);
    EXPECT(mmnas::Image::from_file(model, plain.wstring()).has_value());
    EXPECT(mmnas::Image::from_file(model, plain.u16string().c_str()).has_value());
#ifdef _WIN32
    EXPECT(mmnas::Image::from_file(model, copy.wstring()).has_value());
#endif
#if __cplusplus >= 202002L
    EXPECT(mmnas::Image::from_file(model, copy.u8string()).has_value());
#endif
    const auto missing = mmnas::Image::from_file(model, folder / "none.png");
    EXPECT(!missing && missing.error().status == MMNAS_STATUS_IO);
#ifndef _WIN32
    const auto other = mmnas::Image::from_file(model, std::filesystem::path("caf\xE9.png"));
    EXPECT(!other && other.error().status == MMNAS_STATUS_INVALID_ARGUMENT);
    EXPECT(other.error().message == "path: expected UTF-8, found byte 0xE9 at offset 3");
#endif
}

void logs(const std::string &bundle)
{
    std::mutex mutex;
    std::vector<std::string> first;
    std::atomic<int> second{0};
    {
        auto log = mmnas::Log::listen(MMNAS_LOG_LEVEL_INFO, [&](mmnas_log_level level, std::string_view message) {
            EXPECT(level <= MMNAS_LOG_LEVEL_INFO);
            const std::lock_guard lock(mutex);
            first.emplace_back(message);
        }).or_throw();
        // One that throws harms neither the library nor the others, and one that is replaced is told no more.
        auto other = mmnas::Log::listen(MMNAS_LOG_LEVEL_INFO, [&](mmnas_log_level, std::string_view) {
            ++second;
            throw std::runtime_error("no");
        }).or_throw();
        EXPECT(mmnas::Model::load(bundle).has_value());
        const int told = second;
        EXPECT(told > 0);
        other = mmnas::Log::listen(MMNAS_LOG_LEVEL_ERROR, [](mmnas_log_level, std::string_view) {}).or_throw();
        const mmnas::Log moved = std::move(log);
        EXPECT(mmnas::Model::load(bundle).has_value() && second == told);
    }
    const auto of_bundle = [&](const std::string &line) {
        return line.find("bundle loaded folder=\"" + bundle + "\" task=vqa") == 0
            && line.find(mmnas::onnxruntime_path()) != std::string::npos;
    };
    EXPECT(std::count_if(first.begin(), first.end(), of_bundle) == 2);
    const std::size_t told = first.size();
    EXPECT(mmnas::Model::load(bundle).has_value() && first.size() == told);
    EXPECT(mmnas::Log::listen(MMNAS_LOG_LEVEL_INFO, nullptr).error().status == MMNAS_STATUS_INVALID_ARGUMENT);

    // One that ends in its own call is told no more, and what it was made of stays as long as the library has it.
    static std::optional<mmnas::Log> once;
    static std::atomic<int> calls{0};
    once = mmnas::Log::listen(MMNAS_LOG_LEVEL_INFO, [](mmnas_log_level, std::string_view) {
        ++calls;
        once.reset();
    }).or_throw();
    EXPECT(mmnas::Model::load(bundle).has_value() && mmnas::Model::load(bundle).has_value() && calls == 1);

    // So it is in a callback that is none of this header's; and what fails in one can be read there.
    static std::optional<mmnas::Log> ended;
    static std::string said;
    ended = mmnas::Log::listen(MMNAS_LOG_LEVEL_INFO, [](mmnas_log_level, std::string_view) {}).or_throw();
    mmnas_log_listener *raw = nullptr;
    const auto callback = [](void *, std::int32_t, const char *, std::size_t) {
        ended.reset();
        said = mmnas::Verification::of("anywhere").error().message;
    };
    EXPECT(mmnas_log_listen(MMNAS_LOG_LEVEL_INFO, callback, nullptr, &raw, nullptr) == MMNAS_STATUS_OK);
    const std::size_t live = mmnas_handles_live();
    EXPECT(mmnas::Model::load(bundle).has_value() && mmnas::Model::load(bundle).has_value() && !ended);
    EXPECT(said.find("the log callback") != std::string::npos && mmnas_handles_live() == live);
    mmnas_log_listener_free(raw);
}

void vqa(const std::string &bundle, const std::string &file, const std::string &scratch)
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

    goes_through(answers, [](const mmnas::Answer &a, const mmnas::Answer &b) {
        return a.label == b.label && a.label.data() == b.label.data() && near(a.probability, b.probability);
    });
    EXPECT(answers.begin()->label == answers[0].label);
    std::size_t visited = 0;
    for (const mmnas::Answer &answer : model.answer(image, "what is this?", 2).or_throw())
        visited += !answer.label.empty();
    EXPECT(visited == 2);
#ifdef HAS_VIEWS
    for (const mmnas::Answer &answer : answers | std::views::reverse | std::views::take(1))
        EXPECT(answer.label == answers[1].label);
    EXPECT(std::ranges::max(answers, {}, &mmnas::Answer::logit).label == answers[0].label);
#endif
    goes_through(image.boxes(), [](const mmnas::Box &a, const mmnas::Box &b) { return a == b; });
    limits(model, image);
    paths(model, file, scratch);

    EXPECT(model.folder() == bundle && kept.folder() == "(memory)" && model.identity() == kept.identity());
    EXPECT(model.identity().size() == 64 && model.vision_identity() == kept.vision_identity());
    EXPECT(!model.architecture().empty() && model.hidden_width() == 64 && model.vocabulary_size() > 0);
    EXPECT(model.variants() >= 1 && !model.variant_at(0).empty() && model.variant_at(99).empty());
    EXPECT(model.labels() == 17 && model.label_at(answers[0].place) == answers[0].label && model.label_at(17).empty());
    EXPECT(model.max_regions() == 4 && model.embedding_width() == 0 && !model.embedding(image));

    const auto logit = [&](const mmnas::Image &about) {
        const auto found = model.answer(about, "what is this?", 1).or_throw();
        return found[0].logit;
    };
    const auto regions = mmnas::Regions::from_file(kept, file).or_throw();
    const auto shared = regions.encode(model).or_throw();
    EXPECT(near(logit(shared), answers[0].logit));
    EXPECT(regions.count() == 4 && regions.boxes().size() == 16 && regions.size() == image.size());
    EXPECT(regions.features().size() == 4 * model.feature_width());
    const auto stored =
        mmnas::Image::from_regions(model, regions.features(), regions.boxes(), regions.size().first, regions.size().second)
            .or_throw();
    EXPECT(near(logit(stored), answers[0].logit));
    const mmnas::Picture picture{pixels, 30, 20, 90, MMNAS_PIXEL_FORMAT_RGB};
    EXPECT(mmnas::Regions::from_pixels(model, picture).or_throw().count() == 4);
    EXPECT(mmnas::Regions::from_bytes(model, content(file)).or_throw().count() == 4);
    EXPECT(!mmnas::Regions::from_file(model, "/nonexistent"));

    const std::vector<std::string> paths{file, "/nonexistent.png", file};
    const std::filesystem::path as_path(file);
    EXPECT(mmnas::Regions::from_file(model, as_path).has_value());
    EXPECT(mmnas::Image::from_file_batch(model, std::vector{as_path, as_path}).or_throw()[1].has_value());
    const auto files_images = mmnas::Image::from_file_batch(model, paths).or_throw();
    EXPECT(files_images.size() == 3 && files_images[0] && !files_images[1] && files_images[2]);
    EXPECT(files_images[1].error().status == MMNAS_STATUS_IO);
    EXPECT(near(logit(*files_images[2]), answers[0].logit));
    auto seen = mmnas::Regions::from_file_batch(model, paths).or_throw();
    EXPECT(seen.size() == 3 && seen[0] && !seen[1]);
    const auto encoded =
        mmnas::Regions::encode_batch(model, std::vector<const mmnas::Regions *>{&*seen[0], &*seen[2]}).or_throw();
    EXPECT(encoded.size() == 2 && encoded[1]->regions() == 4);
    const auto whole = content(file);
    const auto cut = mmnas::Span<std::uint8_t>(whole.data(), 5);
    const auto of_bytes = mmnas::Image::from_bytes_batch(model, {whole, cut}).or_throw();
    EXPECT(of_bytes[0] && of_bytes[1].error().status == MMNAS_STATUS_IMAGE);
    mmnas::Picture wrong_format = picture;
    wrong_format.format = 99;
    const auto frames = mmnas::Image::from_pixels_batch(model, {picture, wrong_format}).or_throw();
    EXPECT(frames[0] && frames[1].error().status == MMNAS_STATUS_INVALID_ARGUMENT);

    const auto batcher = mmnas::Batcher::create(model).or_throw();
    const auto gathered = batcher.answer(model, image, "what is this?", 2).or_throw();
    EXPECT(gathered.size() == 2 && near(gathered[0].logit, answers[0].logit));
    EXPECT(batcher.ground(model, image, "what", 1).error().status == MMNAS_STATUS_WRONG_TASK);
    EXPECT(batcher.answer(kept, image, "what", 1).error().status == MMNAS_STATUS_INVALID_ARGUMENT);
    batcher.close().or_throw();
    EXPECT(batcher.counts().answered == 2 && batcher.counts().refused == 0 && batcher.counts().abandoned == 0);
    EXPECT(batcher.answer(model, image, "what", 1).error().status == MMNAS_STATUS_CLOSED);
    EXPECT(!mmnas::Batcher::create(model, {0, std::chrono::microseconds(0), 1}));

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
    groundings.draw(file, std::filesystem::path(scratch) / "boxes.png").or_throw();
    goes_through(groundings, [](const mmnas::Grounding &a, const mmnas::Grounding &b) {
        return a.box == b.box && a.region == b.region;
    });
    const auto text = mmnas::Text::encode(model, "what is this?").or_throw();
    const auto batch = model.ground_batch(std::vector<const mmnas::Image *>{&image},
                                          std::vector<const mmnas::Text *>{&text}, 2).or_throw();
    EXPECT(near(batch[0][0].box[3], groundings[0].box[3]));
    const auto batcher = mmnas::Batcher::create(model).or_throw();
    EXPECT(near(batcher.ground(model, image, "what is this?", 1).or_throw()[0].score, groundings[0].score));
    const auto explanation = model.explain(image, "what is this?").or_throw();
    EXPECT(explanation.words() == 3 && explanation.word(0).word == "what" && explanation.regions() == image.regions());
    EXPECT(explanation.region(0).box[2] > 0);
    explanation.draw(file, "what is this?", scratch + "/shades.png").or_throw();
    goes_through(explanation.word_weights(),
                 [](const mmnas::WordWeight &a, const mmnas::WordWeight &b) { return a.word == b.word; });
    float sum = 0;
    for (const mmnas::RegionWeight &region : explanation.region_weights())
        sum += region.weight;
    EXPECT(near(sum, 1));
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

    const auto batcher = mmnas::Batcher::create(model).or_throw();
    EXPECT(near(batcher.match(model, images[0], "a").or_throw().logit, matches[0].logit));
    const auto of_image = model.embedding(images[0]).or_throw();
    const auto of_text = model.embedding(texts[0]).or_throw();
    EXPECT(of_image.size() == model.embedding_width() && of_text.size() == of_image.size() && of_image != of_text);

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
    goes_through(ranking, [](const mmnas::Ranked &a, const mmnas::Ranked &b) { return a.key == b.key; });
    for (const std::string &key : index.keys().or_throw())
        EXPECT(key == name);
    for (int i = 0; i < 200; ++i) {
        const auto late = index.limited(nullptr, std::chrono::milliseconds(-(i % 2))).or_throw();
        EXPECT(late.find(texts[0], 1).error().status == MMNAS_STATUS_DEADLINE_EXCEEDED);
        EXPECT(late.find_images(texts, 1, 1).error().status == MMNAS_STATUS_DEADLINE_EXCEEDED);
        EXPECT(late.size() == 1);
    }
    const mmnas::CancelToken token;
    const auto limited = index.limited(&token).or_throw();
    EXPECT(limited.find(texts[0], 1).or_throw().size() == 1);
    token.cancel().or_throw();
    EXPECT(limited.find(texts[0], 1).error().status == MMNAS_STATUS_CANCELLED && index.find(texts[0], 1).has_value());
    EXPECT(index.find_images(texts, 1).or_throw()[1].size() == 1 && !index.find_texts(images, 1));
    EXPECT(mmnas::Index::kind_of(scratch + "/index").or_throw() == MMNAS_INDEX_KIND_IMAGES);
    EXPECT(index.embedding(name).or_throw().size() == index.embedding_width() && !index.embedding("gone"));
    EXPECT(index.image(name).or_throw().regions() == images[0].regions() && !index.image("gone"));
    ranking.draw(std::filesystem::path(file).parent_path().string(), "a", scratch + "/ranking.png").or_throw();
    index.export_embeddings(scratch + "/e.npy", MMNAS_EMBEDDING_FORMAT_NPY).or_throw();
    EXPECT(!index.find(images[0], 1) && !index.put("t", texts[0]));
    EXPECT(mmnas::Index::open(model, std::filesystem::path(scratch) / "index", MMNAS_INDEX_KIND_IMAGES, false)
               .or_throw()
               .size() == 1);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 6)
        return 1;
    try {
        logs(argv[1]);
        EXPECT(mmnas_handles_live() == 2);
        vqa(argv[1], argv[4], argv[5]);
        itm(argv[2], argv[4], argv[5]);
        vgd(argv[3], argv[4], argv[5]);
        const auto verification = mmnas::Verification::of(argv[1]).or_throw();
        EXPECT(verification.passed() && verification.size() > 0 && !verification[0].stage.empty());
        goes_through(verification, [](const mmnas::Check &a, const mmnas::Check &b) {
            return a.stage == b.stage && a.variant == b.variant && a.problem.empty();
        });
        EXPECT(!mmnas::version().empty() && !mmnas::onnxruntime_path().empty() && !mmnas::onnxruntime_version().empty());
        EXPECT(!mmnas::Model::load("/nonexistent"));
    } catch (const mmnas::Exception &exception) {
        std::cerr << exception.what() << '\n';
        return 1;
    }
    // Those of the logs that ended in callbacks.
    EXPECT(mmnas_handles_live() == 2);
    if (failures)
        return 1;
    std::cout << "alive\n";
    return 0;
}
