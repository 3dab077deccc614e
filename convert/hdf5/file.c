/* Paths and attributes of an HDF5 file; see file.h.  Nothing is followed, opened or read before its kind and
 * size are known; every result of the library is checked, and every handle closed on every way out. */
#include "convert/hdf5/file.h"

#ifdef KOHL_HDF5
#include <string.h>

#include "nn/json.h"

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

enum {
  READ_ONLY = 0 /* H5F_ACC_RDONLY, whose macro calls the library */
};

#define NO_FILE "/dev/null/image" /* the library refuses an image under the name of a file that there is */

static kohl_status broken(kohl_context *ctx, const kohl_hdf5_file *h5, const char *path, const char *what) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: '%s': %s cannot be read; the file is damaged", h5->path,
                   QUOTE(*path ? path : "/"), what);
}

/* IEEE's half: sign 1 bit, exponent 5 with bias 15, mantissa 10. */
static hid_t make_half(kohl_hdf5_library *call) {
  hid_t type = call->H5Tcopy(*call->H5T_IEEE_F32LE_g);
  if (type >= 0 && call->H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 && call->H5Tset_size(type, 2) >= 0 &&
      call->H5Tset_ebias(type, 15) >= 0)
    return type;
  if (type >= 0) call->H5Tclose(type);
  return -1;
}

kohl_status kohl_hdf5_file_prepare(kohl_context *ctx, const char *path, const void *image, uint64_t bytes,
                                   kohl_hdf5_file *h5) {
  *h5 = (kohl_hdf5_file){.path = path, .image = image, .bytes = bytes, .file = -1};
  kohl_status status = kohl_hdf5_library_open(ctx, path, &h5->call);
  if (status) return status;
  h5->half = make_half(&h5->call);
  return h5->half >= 0 ? KOHL_OK : kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: %s has no 16-bit floats", path, KOHL_HDF5);
}

/* The library's own "copies" of an image are the image itself, which nobody writes to or gives back. */
static void *image_at(size_t bytes, H5FD_file_image_op_t op, void *image) {
  (void)bytes, (void)op;
  return image;
}

static void *image_copy(void *to, const void *from, size_t bytes, H5FD_file_image_op_t op, void *image) {
  (void)from, (void)bytes, (void)op, (void)image;
  return to;
}

static void *image_grow(void *old, size_t bytes, H5FD_file_image_op_t op, void *image) {
  (void)old, (void)bytes, (void)op, (void)image;
  return NULL;
}

static herr_t image_free(void *old, H5FD_file_image_op_t op, void *image) {
  (void)old, (void)op, (void)image;
  return 0;
}

static void *image_user(void *image) { return image; }

static herr_t image_user_free(void *image) {
  (void)image;
  return 0;
}

/* The file is what lies in memory, whatever its name. */
static bool use_image(kohl_hdf5_file *h5, hid_t access) {
  void *image = (void *)(uintptr_t)h5->image; /* the library's types know no const */
  H5FD_file_image_callbacks_t callbacks = {image_at,   image_copy,      image_grow, image_free,
                                           image_user, image_user_free, image};
  return h5->call.H5Pset_fapl_core(access, 1, false) >= 0 &&
         h5->call.H5Pset_file_image_callbacks(access, &callbacks) >= 0 &&
         h5->call.H5Pset_file_image(access, image, (size_t)h5->bytes) >= 0;
}

kohl_status kohl_hdf5_file_open(kohl_context *ctx, kohl_hdf5_file *h5) {
  kohl_hdf5_library *call = &h5->call;
  hid_t access = call->H5Pcreate(*call->H5P_CLS_FILE_ACCESS_ID_g);
  /* Locks: a file on a read-only or network file system has none. */
  if (access >= 0 && call->H5Pset_file_locking(access, false, true) >= 0 && (!h5->image || use_image(h5, access)))
    h5->file = call->H5Fopen(h5->image ? NO_FILE : h5->path, READ_ONLY, access);
  if (access >= 0) call->H5Pclose(access);
  if (h5->file >= 0) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: libhdf5 cannot open it; the HDF5 file is cut off or damaged", h5->path);
}

/* One step of a path from an object: its name, and the link's kind.  *exists is false where nothing has the name. */
static kohl_status check_link(kohl_context *ctx, kohl_hdf5_file *h5, hid_t from, const char *path, const char *name,
                              bool *exists) {
  H5L_info_t link;
  htri_t found = h5->call.H5Lexists(from, name, H5P_DEFAULT);
  if (found < 0) return broken(ctx, h5, path, "a group");
  *exists = found > 0;
  if (!found) return KOHL_OK;
  if (h5->call.H5Lget_info(from, name, &link, H5P_DEFAULT) < 0) return broken(ctx, h5, path, "a link");
  if (link.type == H5L_TYPE_HARD) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: '%s': '%s' is %s link, expected a hard one", h5->path, QUOTE(path),
                   QUOTE(name), link.type == H5L_TYPE_SOFT ? "a soft" : "an external");
}

kohl_status kohl_hdf5_file_object(kohl_context *ctx, kohl_hdf5_file *h5, const char *path, hid_t *out) {
  hid_t at = h5->call.H5Oopen(h5->file, "/", H5P_DEFAULT);
  kohl_status status = at < 0 ? broken(ctx, h5, "", "the root") : KOHL_OK;
  const char *rest = path;
  while (!status && at >= 0 && *rest) {
    char name[KOHL_SAFETENSORS_NAME + 1];
    size_t length = rest[0] == '/' ? strcspn(rest + 1, "/") : 0;
    bool exists = false;
    if (length == 0 || length >= sizeof name || (length == 1 && rest[1] == '.')) {
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: '%s' is no path, expected names of 1 to %d bytes", h5->path,
                         QUOTE(path), KOHL_SAFETENSORS_NAME);
      break;
    }
    memcpy(name, rest + 1, length);
    name[length] = 0;
    rest += 1 + length;
    hid_t next = -1;
    if (h5->call.H5Iget_type(at) == H5I_GROUP) status = check_link(ctx, h5, at, path, name, &exists);
    if (exists && !status && (next = h5->call.H5Oopen(at, name, H5P_DEFAULT)) < 0)
      status = broken(ctx, h5, path, "the object");
    h5->call.H5Oclose(at);
    at = next;
  }
  if (status && at >= 0) h5->call.H5Oclose(at);
  *out = status ? -1 : at;
  return status;
}

kohl_status kohl_hdf5_file_find(kohl_context *ctx, kohl_hdf5_file *h5, const char *path, kohl_hdf5_kind *kind) {
  hid_t object;
  *kind = KOHL_HDF5_NOTHING;
  kohl_status status = kohl_hdf5_file_object(ctx, h5, path, &object);
  if (status || object < 0) return status;
  H5I_type_t type = h5->call.H5Iget_type(object);
  if (type == H5I_GROUP) *kind = KOHL_HDF5_GROUP;
  if (type == H5I_DATASET) *kind = KOHL_HDF5_DATASET;
  h5->call.H5Oclose(object);
  return KOHL_OK;
}

/* The links of a group on their way. */
typedef struct listing {
  kohl_context *ctx;
  const kohl_hdf5_file *h5;
  const char *group;
  size_t most;     /* bytes of a name */
  uint64_t length; /* of the names so far, with their zeros */
  kohl_hdf5_texts *texts;
  kohl_status status;
} listing;

static kohl_status take_link(listing *l, const char *name, const H5L_info_t *link) {
  size_t length = strlen(name);
  const char *group = *l->group ? l->group : "/";
  if (link->type != H5L_TYPE_HARD)
    return kohl_fail(l->ctx, KOHL_BAD_INPUT, "%s: '%s': '%s' is %s link, expected a hard one", l->h5->path,
                     QUOTE(group), QUOTE(name), link->type == H5L_TYPE_SOFT ? "a soft" : "an external");
  l->length += length + 1;
  if (length > l->most || l->texts->count == KOHL_HDF5_TEXTS || l->length > l->h5->bytes)
    return kohl_fail(l->ctx, KOHL_BAD_INPUT,
                     "%s: '%s': link '%s': expected at most %d links with names of at most %zu bytes, together no "
                     "longer than the file",
                     l->h5->path, QUOTE(group), QUOTE(name), KOHL_HDF5_TEXTS, l->most);
  kohl_status status = kohl_grow(l->ctx, &l->texts->text, &l->texts->capacity, l->texts->count + 1,
                                 sizeof *l->texts->text, "names of an HDF5 file");
  if (!status) status = kohl_strdup(l->ctx, name, &l->texts->text[l->texts->count]);
  l->texts->count += !status;
  return status;
}

static herr_t each_link(hid_t group, const char *name, const H5L_info_t *link, void *data) {
  listing *l = data;
  (void)group;
  l->status = take_link(l, name, link);
  return l->status ? 1 : 0; /* 1 ends the iteration */
}

kohl_status kohl_hdf5_file_list(kohl_context *ctx, kohl_hdf5_file *h5, const char *group, size_t most,
                                kohl_hdf5_texts *texts) {
  listing l = {ctx, h5, group, most, 0, texts, KOHL_OK};
  hid_t object;
  kohl_status status = kohl_hdf5_file_object(ctx, h5, group, &object);
  if (status || object < 0) return status;
  if (h5->call.H5Iget_type(object) == H5I_GROUP) {
    texts->found = true;
    if (h5->call.H5Literate(object, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, each_link, &l) < 0)
      status = broken(ctx, h5, group, "its links");
  }
  h5->call.H5Oclose(object);
  return l.status ? l.status : status;
}

/* An attribute on its way: handles that end together. */
typedef struct attribute {
  const char *group, *name;
  size_t most; /* bytes of a text */
  hid_t id, type, space;
  bool variable;
  size_t size, count; /* bytes of an element, elements */
  uint64_t length;    /* of the texts so far, with their zeros */
} attribute;

static kohl_status bad_attribute(kohl_context *ctx, const kohl_hdf5_file *h5, const attribute *a, const char *what) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: '%s': attribute '%s' %s", h5->path, QUOTE(*a->group ? a->group : "/"),
                   a->name, what);
}

static kohl_status append(kohl_context *ctx, const kohl_hdf5_file *h5, attribute *a, const char *text, size_t length,
                          kohl_hdf5_texts *texts) {
  if (length > a->most) return bad_attribute(ctx, h5, a, "has a text that is too long");
  a->length += length + 1; /* variable texts may share their bytes in the file */
  if (a->length > h5->bytes) return bad_attribute(ctx, h5, a, "is longer than the file");
  kohl_status status =
      kohl_grow(ctx, &texts->text, &texts->capacity, texts->count + 1, sizeof *texts->text, "names of an HDF5 file");
  char **copy = status ? NULL : &texts->text[texts->count];
  if (!status) status = kohl_alloc(ctx, length + 1, 1, "a name of an HDF5 file", copy);
  if (status) return status;
  memcpy(*copy, text, length);
  texts->count++;
  return KOHL_OK;
}

/* One element; fixed-length texts end at their first zero or with all their bytes, less padding blanks. */
static kohl_status append_element(kohl_context *ctx, const kohl_hdf5_file *h5, attribute *a, const char *buffer,
                                  size_t i, kohl_hdf5_texts *texts) {
  const char *text = buffer + i * a->size;
  size_t length;
  if (a->variable) {
    memcpy(&text, buffer + i * a->size, sizeof(char *));
    length = text ? strlen(text) : 0; /* an empty one is NULL */
    return append(ctx, h5, a, text ? text : "", length, texts);
  }
  length = strnlen(text, a->size);
  if (h5->call.H5Tget_strpad(a->type) == H5T_STR_SPACEPAD)
    while (length > 0 && text[length - 1] == ' ') length--;
  return append(ctx, h5, a, text, length, texts);
}

static kohl_status read_elements(kohl_context *ctx, kohl_hdf5_file *h5, attribute *a, kohl_hdf5_texts *texts) {
  char *buffer;
  kohl_status status = kohl_alloc(ctx, a->count, a->size, "an attribute", &buffer);
  if (status) return status;
  if (h5->call.H5Aread(a->id, a->type, buffer) < 0) {
    kohl_free(ctx, buffer);
    return bad_attribute(ctx, h5, a, "cannot be read; the file is damaged");
  }
  for (size_t i = 0; i < a->count && !status; i++) status = append_element(ctx, h5, a, buffer, i, texts);
  if (a->variable && h5->call.H5Dvlen_reclaim(a->type, a->space, H5P_DEFAULT, buffer) < 0 && !status)
    status = bad_attribute(ctx, h5, a, "cannot be released");
  kohl_free(ctx, buffer);
  return status;
}

static kohl_status read_attribute(kohl_context *ctx, kohl_hdf5_file *h5, attribute *a, kohl_hdf5_texts *texts) {
  kohl_hdf5_library *call = &h5->call;
  a->type = call->H5Aget_type(a->id);
  a->space = call->H5Aget_space(a->id);
  hssize_t count = a->space < 0 ? -1 : call->H5Sget_simple_extent_npoints(a->space);
  if (a->type < 0 || count < 0) return bad_attribute(ctx, h5, a, "cannot be read; the file is damaged");
  texts->found = true;
  if (count == 0) return KOHL_OK;
  if (call->H5Tget_class(a->type) != H5T_STRING) return bad_attribute(ctx, h5, a, "is no text, expected names");
  a->variable = call->H5Tis_variable_str(a->type) > 0;
  a->size = call->H5Tget_size(a->type);
  a->count = (size_t)count;
  if (count > KOHL_HDF5_TEXTS || texts->count + a->count > KOHL_HDF5_TEXTS)
    return bad_attribute(ctx, h5, a, "has more than 65536 names");
  if (a->size == 0 || (a->variable && a->size != sizeof(char *)) || (!a->variable && a->size > a->most))
    return bad_attribute(ctx, h5, a, "has a text that is too long");
  if (!a->variable && a->count > h5->bytes / a->size) return bad_attribute(ctx, h5, a, "is longer than the file");
  return read_elements(ctx, h5, a, texts);
}

kohl_status kohl_hdf5_file_texts(kohl_context *ctx, kohl_hdf5_file *h5, const char *group, const char *name,
                                 size_t most, kohl_hdf5_texts *texts) {
  kohl_hdf5_library *call = &h5->call;
  attribute a = {group, name, most, -1, -1, -1, false, 0, 0, 0};
  hid_t object;
  kohl_status status = kohl_hdf5_file_object(ctx, h5, group, &object);
  if (status || object < 0) return status;
  htri_t exists = call->H5Aexists(object, name);
  if (exists > 0) a.id = call->H5Aopen(object, name, H5P_DEFAULT);
  if (exists < 0 || (exists > 0 && a.id < 0))
    status = bad_attribute(ctx, h5, &a, "cannot be read; the file is damaged");
  else if (exists > 0)
    status = read_attribute(ctx, h5, &a, texts);
  if (a.type >= 0) call->H5Tclose(a.type);
  if (a.space >= 0) call->H5Sclose(a.space);
  if (a.id >= 0) call->H5Aclose(a.id);
  call->H5Oclose(object);
  return status;
}

#else
typedef int kohl_hdf5_file_absent; /* a file must declare something */
#endif
