#include "server/distribution/layer_shelf.h"

#include "shared/base/limits.h"
#include "shared/compile/compiled_layer.h"

namespace egress::server {

std::optional<LayerRef> LayerShelf::find(const std::string& id, std::uint64_t source_revision) {
  const std::lock_guard lock(mutex_);
  const auto found = made_.find(id);
  if (found == made_.end() || found->second.source_revision != source_revision) return std::nullopt;
  return found->second.reference;
}

Result<LayerRef> LayerShelf::add(const Layer& layer, std::uint64_t source_revision) {
  StoredLayer stored;
  stored.id = layer.id;
  stored.bytes = compile_layer(layer);
  if (layer.rules.size() > kMaxLayerRules || stored.bytes.size() > kMaxLayerBytes) {
    return refuse(ErrorCode::kInternal, "layer_too_large",
                  "layer " + layer.id + " has " + std::to_string(layer.rules.size()) + " rules in " +
                      std::to_string(stored.bytes.size()) + " bytes: agents accept " + std::to_string(kMaxLayerRules) +
                      " rules and " + std::to_string(kMaxLayerBytes) + " bytes");
  }
  LayerRef reference;
  reference.id = layer.id;
  reference.hash = sha256(std::span<const std::byte>(stored.bytes));
  reference.size_bytes = stored.bytes.size();
  reference.unmatched = layer.unmatched;
  stored.hash = format_sha256(reference.hash);
  const auto kept = store_.write([&](Writer& writer) -> Result<void> {
    writer.put_layer(stored, clock_.now_ms());
    return {};
  });
  if (!kept) return tl::unexpected(kept.error());
  const std::lock_guard lock(mutex_);
  made_.insert_or_assign(layer.id, Made{source_revision, reference});
  return reference;
}

Result<StoredLayer> LayerShelf::fetch(const std::string& hash) {
  auto layer = store_.read([&](Reader& reader) { return reader.find_layer(hash); });
  if (!layer) return tl::unexpected(Refusal(layer.error()));
  if (!*layer) {
    return refuse(ErrorCode::kNotFound, "layer_unknown",
                  "no layer " + hash + " was ever served: ask for /api/bundle again");
  }
  return **std::move(layer);
}

}  // namespace egress::server
