#include "pool.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>

namespace rnnlayers {

struct Pool::Job {
  Task task;
  void* context;
  int64_t tasks;
  int wanted;  // helpers that may still join it
  std::atomic<int64_t> next{0};
  int working = 0;  // helpers that have joined it
  Job* older = nullptr;

  bool has_work() const { return wanted > 0 && next.load(std::memory_order_relaxed) < tasks; }
};

namespace {
std::atomic<Pool*> pool{nullptr};
std::mutex making;
}  // namespace

Pool& Pool::shared() {
  if (Pool* made = pool.load(std::memory_order_acquire)) return *made;
  // The threads of a parent do not exist in a forked child, which makes its own.
  static const int registered = pthread_atfork([] { making.lock(); }, [] { making.unlock(); },
                                               [] {
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

Pool::Job* Pool::find_work() const {
  Job* job = jobs_;
  while (job != nullptr && !job->has_work()) job = job->older;
  return job;
}

void Pool::run(int64_t tasks, int threads, Task task, void* context) {
  const int helpers = static_cast<int>(std::min<int64_t>(threads, tasks)) - 1;
  Job job{task, context, tasks, helpers};
  if (helpers < 1) return work(job);
  int woken;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    try {
      for (; helpers_ < helpers; ++helpers_) std::thread(&Pool::help, this).detach();
    } catch (const std::system_error&) {
      // The system gives no more threads: those that there are do the work.
    }
    job.older = jobs_;
    jobs_ = &job;
    woken = std::min(helpers, idle_);
  }
  for (int n = 0; n < woken; ++n) wake_.notify_one();
  work(job);
  std::unique_lock<std::mutex> lock(mutex_);
  Job** link = &jobs_;
  while (*link != &job) link = &(*link)->older;
  *link = job.older;
  done_.wait(lock, [&job] { return job.working == 0; });
}

void Pool::help() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    Job* job = find_work();
    if (job == nullptr) {
      ++idle_;
      wake_.wait(lock);
      --idle_;
      continue;
    }
    --job->wanted;
    ++job->working;
    lock.unlock();
    work(*job);
    lock.lock();
    if (--job->working == 0) done_.notify_all();
  }
}

}  // namespace rnnlayers
