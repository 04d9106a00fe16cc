// Threads that share out numbered tasks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace rnnlayers {

// One call at a time uses the helpers. Another call that comes meanwhile runs in its own thread, so
// that many threads that call at once never wait for one another. Nobody spins.
class Pool {
 public:
  using Task = void (*)(void* context, int64_t number);

  // The pool of the process. A child that was forked off gets one of its own.
  static Pool& shared();

  // Runs tasks 0 to `tasks` - 1, which must not throw, on up to `threads` threads with this one.
  void run(int64_t tasks, int threads, Task task, void* context);

 private:
  struct Job;

  void help();
  static void work(Job& job);

  std::atomic<bool> busy_{false};  // whether a call uses the helpers
  std::mutex mutex_;               // guards all below
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  int wanted_ = 0;   // helpers that may still join the job
  int working_ = 0;  // helpers that have joined it
  int helpers_ = 0;
};

}  // namespace rnnlayers
