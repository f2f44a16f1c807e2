#include "preload/library/clock.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <time.h>

#include <array>
#include <cstring>

namespace egress {
namespace {

TEST(ClockTest, TellsTheSystemsTime) {
  timespec before{};
  timespec after{};
  clock_gettime(CLOCK_REALTIME, &before);
  const std::int64_t now = realtime_ns();
  clock_gettime(CLOCK_REALTIME, &after);
  EXPECT_GE(now, before.tv_sec * 1'000'000'000 + before.tv_nsec);
  EXPECT_LE(now, after.tv_sec * 1'000'000'000 + after.tv_nsec);
  clock_gettime(CLOCK_MONOTONIC, &before);
  const std::int64_t monotonic = monotonic_ms();
  clock_gettime(CLOCK_MONOTONIC, &after);
  EXPECT_GE(monotonic, before.tv_sec * 1000 + before.tv_nsec / 1'000'000);
  EXPECT_LE(monotonic, after.tv_sec * 1000 + after.tv_nsec / 1'000'000);
}

TEST(ClockTest, FindsSymbolsOfTheVdsoAndNoOthers) {
  const void* image = reinterpret_cast<const void*>(getauxval(AT_SYSINFO_EHDR));
  if (image == nullptr) GTEST_SKIP() << "this kernel maps no vDSO";
#if defined(__x86_64__)
  EXPECT_NE(find_elf_symbol(image, "__vdso_clock_gettime"), nullptr);
#else
  EXPECT_NE(find_elf_symbol(image, "__kernel_clock_gettime"), nullptr);
#endif
  EXPECT_EQ(find_elf_symbol(image, "__vdso_no_such_call"), nullptr);
}

TEST(ClockTest, FindsNothingInAnImageWithoutSegments) {
  alignas(8) std::array<unsigned char, 256> image{};
  EXPECT_EQ(find_elf_symbol(image.data(), "__vdso_clock_gettime"), nullptr);
}

}  // namespace
}  // namespace egress
