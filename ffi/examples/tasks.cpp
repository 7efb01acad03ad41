// The three tasks in C++, by what the bundle is for.
//
//     ./tasks BUNDLE TEXT IMAGE...
//
// answers a question about each image, finds what a phrase means in each, or ranks the images for a text.

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "mmnas_runtime.hpp"

namespace {

void answer(const mmnas::Model &model, std::string_view question, const std::vector<std::string> &files)
{
    for (const std::string &file : files) {
        const auto image = mmnas::Image::from_file(model, file).or_throw();
        const auto answers = model.answer(image, question, 3).or_throw();
        for (const mmnas::Answer &answer : answers)
            std::cout << file << '\t' << answer.label << '\t' << answer.probability << '\n';
    }
}

void ground(const mmnas::Model &model, std::string_view phrase, const std::vector<std::string> &files)
{
    for (const std::string &file : files) {
        const auto image = mmnas::Image::from_file(model, file).or_throw();
        const auto groundings = model.ground(image, phrase, 3).or_throw();
        for (const auto &[box, probability, score, region] : groundings)
            std::cout << file << '\t' << box[0] << ' ' << box[1] << ' ' << box[2] << ' ' << box[3] << '\t'
                      << probability << '\n';
    }
}

void rank(const mmnas::Model &model, std::string_view words, const std::vector<std::string> &files)
{
    std::vector<mmnas::Image> images;
    for (const std::string &file : files)
        images.push_back(mmnas::Image::from_file(model, file).or_throw());
    const auto text = mmnas::Text::encode(model, words).or_throw();
    const auto ranking = model.rank_images(text, images, images.size()).or_throw();
    for (const mmnas::Ranked &found : ranking)
        std::cout << files[found.place] << '\t' << found.probability << '\n';
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 4) {
        std::cerr << "usage: tasks BUNDLE TEXT IMAGE...\n";
        return 1;
    }
    const std::vector<std::string> files(argv + 3, argv + argc);
    // Without exceptions: look whether there is a value.
    const auto model = mmnas::Model::load(argv[1]);
    if (!model) {
        std::cerr << "tasks: " << model.error().message << '\n';
        return 1;
    }
    // With exceptions: or_throw().
    try {
        switch (model->task()) {
        case MMNAS_TASK_VQA:
            answer(*model, argv[2], files);
            break;
        case MMNAS_TASK_VGD:
            ground(*model, argv[2], files);
            break;
        default:
            rank(*model, argv[2], files);
            break;
        }
    } catch (const mmnas::Exception &exception) {
        std::cerr << "tasks: " << exception.what() << '\n';
        return 1;
    }
    return 0;
}
