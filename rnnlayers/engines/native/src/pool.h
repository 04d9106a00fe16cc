// Threads that share out numbered tasks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace rnnlayers {

// Helpers join any call that has tasks left, one call after another: calls that come at once, or a
// task that calls again, share them. A caller works on its own tasks, so it needs no helper, and
// many threads that call at once never wait for one another. Nobody spins.
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
  Job* find_work() const;
  static void work(Job& job);

  std::mutex mutex_;  // guards all below
  std::condition_variable wake_, done_;
  Job* jobs_ = nullptr;  // the latest first
  int helpers_ = 0;
  int idle_ = 0;  // helpers that wait for work
};

}  // namespace rnnlayers
