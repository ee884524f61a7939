// Fits gmm_full or gmm_diag to raw binary files; armadillo.py compiles and runs it.
//
//   driver version
//   driver full|diag float64|float32 fit|solve n d K iterations folder
//
// Reads X and, for a fit, start (weights, means, covariances one after the other) in `folder`; writes result likewise.
// Prints the seconds of learn() and the number of EM iterations. Rows in C order are columns here.

#include <armadillo>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

template<typename T>
void read(std::ifstream& file, T* to, arma::uword count)
  {
  file.read(reinterpret_cast<char*>(to), std::streamsize(count * sizeof(T)));
  if(!file) throw std::runtime_error("a file is too short");
  }

template<typename T>
void write(std::ofstream& file, const T* from, arma::uword count)
  {
  file.write(reinterpret_cast<const char*>(from), std::streamsize(count * sizeof(T)));
  }

arma::uword iterations_in(const std::string& text)
  {
  arma::uword count = 0;
  const std::string mark = "EM: iteration:";
  for(std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) ++count;
  return count;
  }

template<typename T, bool full>
void run(bool solve, arma::uword n, arma::uword d, arma::uword K, arma::uword iterations, const std::string& folder)
  {
  using Model = std::conditional_t<full, arma::gmm_priv::gmm_full<T>, arma::gmm_priv::gmm_diag<T>>;
  using Covariances = std::conditional_t<full, arma::Cube<T>, arma::Mat<T>>;
  arma::Mat<T> X(d, n);
  std::ifstream data(folder + "/X", std::ios::binary);
  read(data, X.memptr(), X.n_elem);
  Model model;
  if(!solve)
    {
    arma::Row<T> weights(K);
    arma::Mat<T> means(d, K);
    Covariances covariances;
    if constexpr(full) covariances.set_size(d, d, K); else covariances.set_size(d, K);
    std::ifstream start(folder + "/start", std::ios::binary);
    read(start, weights.memptr(), weights.n_elem);
    read(start, means.memptr(), means.n_elem);
    read(start, covariances.memptr(), covariances.n_elem);
    model.set_params(means, covariances, weights);
    }
  double seconds = 0;
  arma::uword done = 0;
  do
    {
    // learn() stops where the likelihood does not change and tells the number of iterations in what it prints only.
    std::ostringstream printed;
    arma::set_cout_stream(printed);
    const auto begun = std::chrono::steady_clock::now();
    const bool ok = solve ? model.learn(X, K, arma::maha_dist, arma::random_subset, 10, iterations, T(1e-10), true)
                          : model.learn(X, K, arma::eucl_dist, arma::keep_existing, 0, iterations - done, T(0), true);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    arma::set_cout_stream(std::cout);
    const arma::uword now = iterations_in(printed.str());
    if(!ok || now == 0) throw std::runtime_error("learn() failed");
    done += now;
    }
  while(!solve && done < iterations);
  std::ofstream result(folder + "/result", std::ios::binary);
  write(result, model.hefts.memptr(), model.hefts.n_elem);
  write(result, model.means.memptr(), model.means.n_elem);
  if constexpr(full) write(result, model.fcovs.memptr(), model.fcovs.n_elem);
  else write(result, model.dcovs.memptr(), model.dcovs.n_elem);
  std::cout.precision(9);
  std::cout << seconds << " " << done << std::endl;
  }

int main(int argc, char** argv)
  {
  const std::string shape = argc > 1 ? argv[1] : "";
  if(shape == "version")
    {
    using V = arma::arma_version;
    std::cout << V::major << "." << V::minor << "." << V::patch << std::endl;
    return 0;
    }
  if(argc != 9) return 2;
  const bool single = std::string(argv[2]) == "float32", solve = std::string(argv[3]) == "solve";
  const auto number = [&](int i) { return arma::uword(std::strtoull(argv[i], nullptr, 10)); };
  const auto function = shape == "full" ? (single ? run<float, true> : run<double, true>)
                                        : (single ? run<float, false> : run<double, false>);
  try { function(solve, number(4), number(5), number(6), number(7), argv[8]); }
  catch(const std::exception& error) { std::cerr << error.what() << std::endl; return 1; }
  return 0;
  }
