#include "preload/library/clock.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "preload/library/raw_syscall.h"

namespace egress {
namespace {

using ClockGettime = long (*)(clockid_t, timespec*);

#if defined(__x86_64__)
constexpr char kVdsoClock[] = "__vdso_clock_gettime";
#else
constexpr char kVdsoClock[] = "__kernel_clock_gettime";
#endif

long clock_by_syscall(clockid_t id, timespec* now) { return raw_syscall(SYS_clock_gettime, id, now); }

// Two threads may both find it; they store the same value.
std::atomic<ClockGettime> vdso_clock{nullptr};

ClockGettime find_clock() noexcept {
  const void* image = reinterpret_cast<const void*>(getauxval(AT_SYSINFO_EHDR));
  const void* symbol = image != nullptr ? find_elf_symbol(image, kVdsoClock) : nullptr;
  const ClockGettime found =
      symbol != nullptr ? reinterpret_cast<ClockGettime>(const_cast<void*>(symbol)) : &clock_by_syscall;
  vdso_clock.store(found, std::memory_order_relaxed);
  return found;
}

timespec read_clock(clockid_t id) noexcept {
  ClockGettime clock = vdso_clock.load(std::memory_order_relaxed);
  if (clock == nullptr) clock = find_clock();
  timespec now{};
  if (clock(id, &now) != 0) clock_by_syscall(id, &now);
  return now;
}

// Symbols a GNU hash table speaks of: one past the last index of its longest chain.
std::uint32_t count_gnu_hash_symbols(const std::uint32_t* table) noexcept {
  const std::uint32_t bucket_count = table[0];
  const std::uint32_t first_symbol = table[1];
  const std::uint32_t bloom_words = table[2] * (sizeof(ElfW(Addr)) / sizeof(std::uint32_t));
  const std::uint32_t* buckets = table + 4 + bloom_words;
  const std::uint32_t* chains = buckets + bucket_count;
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < bucket_count; ++i) last = std::max(last, buckets[i]);
  if (last < first_symbol) return 0;
  while ((chains[last - first_symbol] & 1) == 0) ++last;
  return last + 1;
}

}  // namespace

const void* find_elf_symbol(const void* image, const char* name) noexcept {
  const auto base = reinterpret_cast<std::uintptr_t>(image);
  const auto& header = *static_cast<const ElfW(Ehdr)*>(image);
  const auto* segments = reinterpret_cast<const ElfW(Phdr)*>(base + header.e_phoff);
  const ElfW(Dyn)* dynamic = nullptr;
  std::uintptr_t bias = 0;
  bool loaded = false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    if (segments[i].p_type == PT_LOAD && !loaded) {
      bias = base + segments[i].p_offset - segments[i].p_vaddr;
      loaded = true;
    } else if (segments[i].p_type == PT_DYNAMIC) {
      dynamic = reinterpret_cast<const ElfW(Dyn)*>(base + segments[i].p_offset);
    }
  }
  if (!loaded || dynamic == nullptr) return nullptr;

  const char* strings = nullptr;
  const ElfW(Sym)* symbols = nullptr;
  std::uint32_t count = 0;
  for (; dynamic->d_tag != DT_NULL; ++dynamic) {
    const std::uintptr_t at = bias + dynamic->d_un.d_ptr;
    switch (dynamic->d_tag) {
      case DT_STRTAB:
        strings = reinterpret_cast<const char*>(at);
        break;
      case DT_SYMTAB:
        symbols = reinterpret_cast<const ElfW(Sym)*>(at);
        break;
      case DT_HASH:
        count = std::max(count, reinterpret_cast<const std::uint32_t*>(at)[1]);
        break;
      case DT_GNU_HASH:
        count = std::max(count, count_gnu_hash_symbols(reinterpret_cast<const std::uint32_t*>(at)));
        break;
      default:
        break;
    }
  }
  if (strings == nullptr || symbols == nullptr) return nullptr;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (symbols[i].st_shndx == SHN_UNDEF || std::strcmp(strings + symbols[i].st_name, name) != 0) continue;
    return reinterpret_cast<const void*>(bias + symbols[i].st_value);
  }
  return nullptr;
}

std::int64_t realtime_ns() noexcept {
  const timespec now = read_clock(CLOCK_REALTIME);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

std::int64_t monotonic_ms() noexcept {
  const timespec now = read_clock(CLOCK_MONOTONIC);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace egress
