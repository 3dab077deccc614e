/* cuBLAS's SGEMM, plainly: sums from the last term to the first, so that a caller who counts on an order is found. */
#include "runtime.h"
#include "vendor_fake.h"

namespace {

enum { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, BLOCK = 32 };

struct handle {
  cudaStream_t stream;
  int math;
};

struct matrix {
  const float *data;
  int stride;
  bool turned;
};

__device__ float element(matrix m, int row, int column, bool tf32) {
  float x =
      m.data[m.turned ? column + static_cast<size_t>(row) * m.stride : row + static_cast<size_t>(column) * m.stride];
  return tf32 ? fake_tf32(x) : x;
}

/* A thread per row of c. */
__global__ void multiply(int rows, int columns, int terms, float alpha, matrix a, matrix b, float beta, float *c,
                         int stride, bool tf32) {
  int row = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  for (int column = 0; row < rows && column < columns; column++) {
    float sum = 0.0f, *at = c + row + static_cast<size_t>(column) * stride;
    for (int i = terms - 1; i >= 0; i--) sum = __fmaf_rn(element(a, row, i, tf32), element(b, i, column, tf32), sum);
    *at = beta == 0.0f ? alpha * sum : alpha * sum + beta * *at;
  }
}

int create(void **out) {
  *out = new handle{nullptr, 0};
  return SUCCESS;
}

int destroy(void *h) {
  delete static_cast<handle *>(h);
  return SUCCESS;
}

int set_stream(void *h, void *stream) {
  static_cast<handle *>(h)->stream = static_cast<cudaStream_t>(stream);
  return SUCCESS;
}

int set_math(void *h, int math) {
  static_cast<handle *>(h)->math = math;
  return math == 0 || math == 3 ? SUCCESS : INVALID_VALUE;
}

const char *status_text(int status) { return status ? "CUBLAS_STATUS_INVALID_VALUE" : "CUBLAS_STATUS_SUCCESS"; }

int sgemm(void *h, int operation_a, int operation_b, int m, int n, int k, const float *alpha, const float *a, int lda,
          const float *b, int ldb, const float *beta, float *c, int ldc) {
  const handle *at = static_cast<handle *>(h);
  bool a_turned = operation_a == 1, b_turned = operation_b == 1;
  if (!at->stream) return NOT_INITIALIZED;
  if (m < 0 || n < 0 || k < 0 || lda < (a_turned ? k : m) || ldb < (b_turned ? n : k) || ldc < m) return INVALID_VALUE;
  kohl_host_launch(at->stream, "fake sgemm", dim3(static_cast<unsigned>(m + BLOCK - 1) / BLOCK), dim3(BLOCK), multiply,
                   m, n, k, *alpha, matrix{a, lda, a_turned}, matrix{b, ldb, b_turned}, *beta, c, ldc, at->math == 3);
  return SUCCESS;
}

template <class F>
void *address(F *function) {
  return reinterpret_cast<void *>(function);
}

}  // namespace

const fake_function fake_cublas[] = {{"cublasCreate_v2", address(create)},
                                     {"cublasDestroy_v2", address(destroy)},
                                     {"cublasSetStream_v2", address(set_stream)},
                                     {"cublasSetMathMode", address(set_math)},
                                     {"cublasGetStatusString", address(status_text)},
                                     {"cublasSgemm_v2", address(sgemm)},
                                     {nullptr, nullptr}};
