/* Answers one request to a SavedModel by TensorFlow's C API.

    predict MODEL OUTPUT... <request >answer

A request and an answer are tensors, each a line "name:index dtype rank size..." and then its bytes;
of strings, each its length as eight bytes before it. OUTPUT is "name:index". */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/c/c_api.h>

#define MOST 16

static void fail(const char* what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void check(TF_Status* status) {
  if (TF_GetCode(status) != TF_OK) fail(TF_Message(status));
}

static void read_bytes(void* to, size_t count) {
  if (count != 0 && fread(to, 1, count, stdin) != count) fail("the request ends early");
}

static TF_Output find(TF_Graph* graph, char* name) {
  char* colon = strrchr(name, ':');
  if (colon == NULL) fail("a name has no index");
  *colon = '\0';
  TF_Output found = {TF_GraphOperationByName(graph, name), atoi(colon + 1)};
  if (found.oper == NULL) fail(name);
  return found;
}

static int64_t elements(const int64_t* shape, int rank) {
  int64_t count = 1;
  for (int i = 0; i < rank; i++) count *= shape[i];
  return count;
}

static TF_Tensor* read_tensor(char* name) {
  int dtype, rank;
  int64_t shape[MOST];
  if (scanf("%255s %d %d", name, &dtype, &rank) != 3) return NULL;
  for (int i = 0; i < rank; i++)
    if (scanf("%" SCNd64, &shape[i]) != 1) fail("a size is missing");
  if (getchar() != '\n') fail("a line does not end");
  int64_t count = elements(shape, rank);
  if (dtype != TF_STRING) {
    size_t size = count * TF_DataTypeSize(dtype);
    TF_Tensor* tensor = TF_AllocateTensor(dtype, shape, rank, size);
    read_bytes(TF_TensorData(tensor), size);
    return tensor;
  }
  TF_Tensor* tensor = TF_AllocateTensor(dtype, shape, rank, count * sizeof(TF_TString));
  TF_TString* strings = TF_TensorData(tensor);
  for (int64_t i = 0; i < count; i++) {
    uint64_t length;
    read_bytes(&length, sizeof length);
    char* bytes = malloc(length + 1);
    read_bytes(bytes, length);
    TF_StringInit(&strings[i]);
    TF_StringCopy(&strings[i], bytes, length);
    free(bytes);
  }
  return tensor;
}

static void write_tensor(const char* name, TF_Tensor* tensor) {
  int rank = TF_NumDims(tensor);
  int64_t shape[MOST];
  printf("%s %d %d", name, TF_TensorType(tensor), rank);
  for (int i = 0; i < rank; i++) printf(" %" PRId64, shape[i] = TF_Dim(tensor, i));
  putchar('\n');
  if (TF_TensorType(tensor) != TF_STRING) {
    fwrite(TF_TensorData(tensor), 1, TF_TensorByteSize(tensor), stdout);
    return;
  }
  TF_TString* strings = TF_TensorData(tensor);
  for (int64_t i = 0; i < elements(shape, rank); i++) {
    uint64_t length = TF_StringGetSize(&strings[i]);
    fwrite(&length, sizeof length, 1, stdout);
    fwrite(TF_StringGetDataPointer(&strings[i]), 1, length, stdout);
  }
}

int main(int argc, char** argv) {
  if (argc < 3 || argc > 2 + MOST) fail("usage: predict MODEL OUTPUT... <request >answer");
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  const char* tags[] = {"serve"};
  TF_Session* session = TF_LoadSessionFromSavedModel(TF_NewSessionOptions(), NULL, argv[1], tags, 1,
                                                     graph, NULL, status);
  check(status);

  TF_Output inputs[MOST], outputs[MOST];
  TF_Tensor *given[MOST], *answers[MOST];
  char name[256];
  int count = 0;
  while (count < MOST && (given[count] = read_tensor(name)) != NULL)
    inputs[count++] = find(graph, name);
  for (int i = 2; i < argc; i++) {
    snprintf(name, sizeof name, "%s", argv[i]);
    outputs[i - 2] = find(graph, name);
  }
  TF_SessionRun(session, NULL, inputs, given, count, outputs, answers, argc - 2, NULL, 0, NULL,
                status);
  check(status);
  for (int i = 2; i < argc; i++) write_tensor(argv[i], answers[i - 2]);
  return 0;
}
