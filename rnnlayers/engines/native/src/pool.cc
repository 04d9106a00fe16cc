#include "pool.h"

#include <pthread.h>

#include <algorithm>
#include <system_error>
#include <thread>

namespace rnnlayers {

struct Pool::Job {
  Task task;
  void* context;
  int64_t tasks;
  std::atomic<int64_t> next{0};
};

namespace {
std::atomic<Pool*> pool{nullptr};
std::mutex making;
}  // namespace

Pool& Pool::shared() {
  if (Pool* made = pool.load(std::memory_order_acquire)) return *made;
  // The threads of a parent do not exist in a forked child, which makes its own.
  static const int registered = pthread_atfork([] { making.lock(); }, [] { making.unlock(); }, [] {
    pool.store(nullptr);
    making.unlock();
  });
  static_cast<void>(registered);
  std::lock_guard<std::mutex> lock(making);
  Pool* made = pool.load(std::memory_order_acquire);
  if (made == nullptr) {
    made = new Pool;  // never deleted: threads wait in it until the process ends
    pool.store(made, std::memory_order_release);
  }
  return *made;
}

void Pool::work(Job& job) {
  for (int64_t n; (n = job.next.fetch_add(1, std::memory_order_relaxed)) < job.tasks;) {
    job.task(job.context, n);
  }
}

void Pool::run(int64_t tasks, int threads, Task task, void* context) {
  Job job{task, context, tasks};
  const int helpers = static_cast<int>(std::min<int64_t>(threads, tasks)) - 1;
  if (helpers < 1 || busy_.exchange(true, std::memory_order_acquire)) return work(job);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    try {
      for (; helpers_ < helpers; ++helpers_) std::thread(&Pool::help, this).detach();
    } catch (const std::system_error&) {
      // The system gives no more threads: those that there are do the work.
    }
    job_ = &job;
    wanted_ = helpers;
  }
  for (int n = 0; n < helpers; ++n) wake_.notify_one();
  work(job);
  std::unique_lock<std::mutex> lock(mutex_);
  job_ = nullptr;
  wanted_ = 0;
  done_.wait(lock, [this] { return working_ == 0; });
  busy_.store(false, std::memory_order_release);
}

void Pool::help() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return wanted_ > 0; });
    --wanted_;
    ++working_;
    Job& job = *job_;
    lock.unlock();
    work(job);
    lock.lock();
    if (--working_ == 0) done_.notify_one();
  }
}

}  // namespace rnnlayers
