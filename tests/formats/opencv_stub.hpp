// What the programs beside an export use of OpenCV, declared only: enough for a compiler to check them without it.
#pragma once
#include <initializer_list>
#include <string>
#include <vector>

namespace cv {
using String = std::string;
enum { IMREAD_GRAYSCALE = 0, IMREAD_COLOR = 1, IMREAD_IGNORE_ORIENTATION = 128 };
#define CV_32F 5
struct Size { int width = 0, height = 0; Size() = default; Size(int, int); };
struct Point { int x, y; };
struct Rect { Rect(const Point &, const Size &); Rect(int, int, int, int); };
struct Scalar { static Scalar all(double); Scalar() = default; Scalar(double); };
struct MatSize { int operator[](int) const; };
struct Mat {
    Mat() = default;
    Mat(int rows, int columns, int type);
    Mat(int rows, int columns, int type, const Scalar &);
    int channels() const;
    int type() const;
    bool empty() const;
    void convertTo(Mat &, int type, double factor) const;
    void copyTo(Mat) const;
    Mat clone() const;
    Mat reshape(int channels, const std::vector<int> &) const;
    Mat operator()(const Rect &) const;
    template <typename T> T *ptr(int row = 0);
    template <typename T> const T *ptr(int row = 0) const;
    int rows = 0, cols = 0;
    MatSize size;
};
Mat imread(const String &, int);
void vconcat(const std::vector<Mat> &, Mat &);
void hconcat(const std::vector<Mat> &, Mat &);
namespace dnn {
struct Net {
    void setInput(const Mat &);
    Mat forward();
    void forward(std::vector<Mat> &, const std::vector<String> &);
    std::vector<String> getUnconnectedOutLayersNames() const;
};
Net readNetFromDarknet(const String &, const String &);
Net readNetFromONNX(const String &);
Mat blobFromImage(const Mat &, double factor, const Size &, const Scalar &, bool swap);
}  // namespace dnn
}  // namespace cv
