/* A PKCS#11 client in C. Usage: client MODULE SCENARIO. It declares the few types of PKCS#11 v2.40 itself, so it needs no
   header of others. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef unsigned long rv_t, ul_t;
typedef unsigned char byte;
struct attribute { ul_t type; void *value; ul_t length; };
struct mechanism { ul_t type; void *parameter; ul_t length; };
struct init_args { void *create, *destroy, *lock, *unlock; ul_t flags; void *reserved; };
struct session_info { ul_t slot, state, flags, error; };

/* C_Initialize to C_WaitForSlotEvent, in the order of the standard. */
struct functions { byte version[2]; void *f[68]; };
enum {
    INITIALIZE, FINALIZE, GET_INFO, GET_FUNCTION_LIST, GET_SLOT_LIST, GET_SLOT_INFO, GET_TOKEN_INFO, GET_MECHANISM_LIST,
    GET_MECHANISM_INFO, INIT_TOKEN, INIT_PIN, SET_PIN, OPEN_SESSION, CLOSE_SESSION, CLOSE_ALL_SESSIONS, GET_SESSION_INFO,
    GET_OPERATION_STATE, SET_OPERATION_STATE, LOGIN, LOGOUT, CREATE_OBJECT, COPY_OBJECT, DESTROY_OBJECT, GET_OBJECT_SIZE,
    GET_ATTRIBUTE_VALUE, SET_ATTRIBUTE_VALUE, FIND_OBJECTS_INIT, FIND_OBJECTS, FIND_OBJECTS_FINAL, SIGN_INIT = 42, SIGN,
    SIGN_UPDATE, SIGN_FINAL, GENERATE_RANDOM = 64
};

static void *library;
static struct functions *list;

#define CALL(index, ...) (((rv_t(*)())list->f[index])(__VA_ARGS__))
#define EXPECT(expected, call) expect(__LINE__, #call, expected, call)
#define CHECK(condition) do { if (!(condition)) { printf("line %d: failed: %s\n", __LINE__, #condition); exit(1); } } while (0)

static void expect(int line, const char *call, rv_t expected, rv_t returned)
{
    if (expected != returned) {
        printf("line %d: %s returned 0x%lx instead of 0x%lx\n", line, call, returned, expected);
        exit(1);
    }
}

static void load(const char *module)
{
    library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    if (!library) { puts(dlerror()); exit(1); }
    rv_t (*get)(struct functions **) = (rv_t (*)(struct functions **))dlsym(library, "C_GetFunctionList");
    CHECK(get && get(&list) == 0);
    CHECK(list->version[0] == 2 && list->version[1] == 40);
    for (int i = 0; i < 68; i++) CHECK(list->f[i]);
}

static void initialize(void)
{
    struct init_args args = { .flags = 2 };
    EXPECT(0, CALL(INITIALIZE, &args));
}

static ul_t first_slot(void)
{
    ul_t slots[8], count = 8;
    EXPECT(0, CALL(GET_SLOT_LIST, (byte)1, slots, &count));
    CHECK(count == 1);
    return slots[0];
}

static ul_t open_session(ul_t flags)
{
    ul_t session;
    EXPECT(0, CALL(OPEN_SESSION, first_slot(), 4 | flags, NULL, NULL, &session));
    return session;
}

static ul_t login(void)
{
    ul_t session = open_session(0);
    rv_t rv = CALL(LOGIN, session, 1ul, "123456", 6ul);
    CHECK(rv == 0 || rv == 0x100);
    return session;
}

static ul_t find(ul_t session, ul_t class, ul_t key_type)
{
    struct attribute template[] = { { 0, &class, sizeof class }, { 0x100, &key_type, sizeof key_type } };
    ul_t object = 0, count = 0;
    EXPECT(0, CALL(FIND_OBJECTS_INIT, session, template, class == 1 ? 1ul : 2ul));
    EXPECT(0, CALL(FIND_OBJECTS, session, &object, 1ul, &count));
    EXPECT(0, CALL(FIND_OBJECTS_FINAL, session));
    return count ? object : 0;
}

static void sign(ul_t session, ul_t key, byte content)
{
    struct mechanism ecdsa = { 0x1041, NULL, 0 };
    byte digest[32], signature[96];
    ul_t length = sizeof signature;
    memset(digest, content, sizeof digest);
    EXPECT(0, CALL(SIGN_INIT, session, &ecdsa, key));
    EXPECT(0, CALL(SIGN, session, digest, 32ul, signature, &length));
    /* P-256 or P-384 */
    CHECK(length == 64 || length == 96);
}

static int threads_of_process(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(tasks));) count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

struct interface { const char *name; struct functions *list; ul_t flags; };

/* Version 3.0 is found by its name, by its version, and as the default. */
static void interfaces(void)
{
    rv_t (*list_of)(struct interface *, ul_t *) = (rv_t (*)(struct interface *, ul_t *))dlsym(library, "C_GetInterfaceList");
    rv_t (*get)(const char *, byte *, struct interface **, ul_t) =
        (rv_t (*)(const char *, byte *, struct interface **, ul_t))dlsym(library, "C_GetInterface");
    struct interface all[4], *one;
    ul_t count = 4;
    byte old[2] = { 2, 40 }, none[2] = { 9, 9 };
    CHECK(list_of && get);
    CHECK(list_of(NULL, &count) == 0 && count == 2);
    CHECK(list_of(all, &count) == 0 && !strcmp(all[0].name, "PKCS 11") && all[0].list->version[0] == 3);
    CHECK(get(NULL, NULL, &one, 0) == 0 && one->list->version[0] == 3 && one->list->version[1] == 0);
    CHECK(get("PKCS 11", old, &one, 1) == 0 && one->list->version[0] == 2);
    CHECK(get("PKCS 11", none, &one, 0) != 0 && get("Vendor", NULL, &one, 0) != 0);
    /* Version 3.0 has 24 more functions, and none is NULL. */
    void **functions = (void **)all[0].list + 1;
    for (int i = 0; i < 92; i++) CHECK(functions[i]);
}

/* The rules of the standard on which clients rely. */
static void rules(void)
{
    interfaces();
    ul_t session, count = 0, length, key;
    byte buffer[600];

    EXPECT(0x190, CALL(GET_SLOT_LIST, (byte)1, NULL, &count));
    EXPECT(0x190, CALL(SIGN, 1ul, buffer, 1ul, buffer, &count));
    EXPECT(0x190, CALL(FINALIZE, NULL));
    for (int i = 0; i < 68; i++)
        if (i != INITIALIZE && i != GET_FUNCTION_LIST)
            EXPECT(0x190, CALL(i, 1ul, NULL, 0ul, NULL, 0ul, NULL, 0ul, NULL, NULL));

    struct init_args half = { .create = buffer, .flags = 2 };
    EXPECT(7, CALL(INITIALIZE, &half));
    EXPECT(0, CALL(INITIALIZE, NULL));
    EXPECT(0x191, CALL(INITIALIZE, NULL));
    EXPECT(7, CALL(FINALIZE, buffer));
    EXPECT(7, CALL(GET_INFO, NULL));
    EXPECT(7, CALL(GET_SLOT_LIST, (byte)1, NULL, NULL));
    EXPECT(0, CALL(GET_SLOT_LIST, (byte)0, NULL, &count));
    CHECK(count == 1);
    count = 0;
    EXPECT(0x150, CALL(GET_SLOT_LIST, (byte)1, (ul_t *)buffer, &count));
    EXPECT(3, CALL(GET_TOKEN_INFO, 0ul, buffer));
    EXPECT(0xb4, CALL(OPEN_SESSION, first_slot(), 0ul, NULL, NULL, &session));
    EXPECT(0xb3, CALL(CLOSE_SESSION, 99ul));
    EXPECT(0xb3, CALL(LOGIN, 99ul, 1ul, NULL, 0ul));

    session = open_session(2);
    ul_t other = open_session(0);
    struct session_info info;
    EXPECT(0, CALL(GET_SESSION_INFO, session, &info));
    CHECK(info.state == 2 && info.flags == 6);
    CHECK(find(session, 3, 3) == 0);
    CHECK(find(session, 2, 3) != 0);
    CHECK(find(session, 1, 0) != 0);
    EXPECT(0x101, CALL(LOGOUT, session));
    EXPECT(0x103, CALL(LOGIN, session, 0ul, NULL, 0ul));

    /* Functions that a signing module does not need return CKR_FUNCTION_NOT_SUPPORTED. */
    static const int unsupported[] = { 9, 10, 11, 16, 17, 20, 21, 22, 25, 29, 33, 37, 46, 48, 52, 54, 58, 59, 60, 61, 62 };
    for (unsigned i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        EXPECT(0x54, CALL(unsupported[i], session, NULL, 0ul, NULL, 0ul, NULL, 0ul, NULL, NULL));
    EXPECT(0x121, CALL(GENERATE_RANDOM, session, buffer, 8ul));

    EXPECT(0, CALL(LOGIN, session, 1ul, NULL, 0ul));
    EXPECT(0x100, CALL(LOGIN, other, 1ul, "", 0ul));
    EXPECT(0, CALL(GET_SESSION_INFO, other, &info));
    CHECK(info.state == 1);
    key = find(other, 3, 3);
    CHECK(key);

    /* Attributes: lengths, several at once, sensitive ones, unknown ones, and buffers that are too small. */
    ul_t class = 0, type = 0;
    byte sensitive = 0, extractable = 1, small[1];
    struct attribute all[] = { { 0, &class, sizeof class }, { 0x100, &type, sizeof type }, { 0x103, &sensitive, 1 },
                               { 0x162, &extractable, 1 }, { 3, NULL, 0 } };
    EXPECT(0, CALL(GET_ATTRIBUTE_VALUE, session, key, all, 5ul));
    CHECK(class == 3 && type == 3 && sensitive == 1 && extractable == 0 && all[4].length == 11);
    struct attribute bad[] = { { 0x11, buffer, sizeof buffer }, { 0x7777, buffer, sizeof buffer }, { 0, &class, sizeof class } };
    class = 0;
    rv_t rv = CALL(GET_ATTRIBUTE_VALUE, session, key, bad, 3ul);
    CHECK((rv == 0x11 || rv == 0x12) && bad[0].length == -1ul && bad[1].length == -1ul && class == 3);
    struct attribute tight[] = { { 3, small, 1 } };
    EXPECT(0x150, CALL(GET_ATTRIBUTE_VALUE, session, key, tight, 1ul));
    EXPECT(0x82, CALL(GET_ATTRIBUTE_VALUE, session, 4242ul, tight, 1ul));
    EXPECT(0, CALL(GET_OBJECT_SIZE, session, key, &length));
    CHECK(length > 0);
    struct attribute unknown[] = { { 0x7777, buffer, 1 } };
    EXPECT(0, CALL(FIND_OBJECTS_INIT, session, unknown, 1ul));
    EXPECT(0x90, CALL(FIND_OBJECTS_INIT, session, NULL, 0ul));
    EXPECT(0, CALL(FIND_OBJECTS, session, (ul_t *)buffer, 8ul, &count));
    CHECK(count == 0);
    EXPECT(0, CALL(FIND_OBJECTS_FINAL, session));
    EXPECT(0x91, CALL(FIND_OBJECTS, session, (ul_t *)buffer, 8ul, &count));
    EXPECT(0, CALL(FIND_OBJECTS_INIT, session, NULL, 0ul));
    EXPECT(0, CALL(FIND_OBJECTS, session, (ul_t *)buffer, 70ul, &count));
    CHECK(count == 6);
    EXPECT(0, CALL(FIND_OBJECTS_FINAL, session));

    /* Signatures: a query for the length and a small buffer leave the operation active, and errors end it. */
    struct mechanism ecdsa = { 0x1041, NULL, 0 }, hashing = { 0x1044, NULL, 0 }, rsa = { 1, NULL, 0 }, raw = { 3, NULL, 0 },
                     nonsense = { 0x9999, NULL, 0 }, pss = { 0xd, NULL, 0 };
    byte digest[33] = { 5 };
    EXPECT(0x91, CALL(SIGN, session, digest, 32ul, buffer, &length));
    EXPECT(0x70, CALL(SIGN_INIT, session, &nonsense, key));
    EXPECT(0x63, CALL(SIGN_INIT, session, &rsa, key));
    EXPECT(0x60, CALL(SIGN_INIT, session, &ecdsa, 4242ul));
    EXPECT(0x60, CALL(SIGN_INIT, session, &ecdsa, find(session, 2, 3)));
    ul_t rsa_key = find(session, 3, 0);
    EXPECT(0x70, CALL(SIGN_INIT, session, &raw, rsa_key));
    EXPECT(0x71, CALL(SIGN_INIT, session, &pss, rsa_key));
    EXPECT(0, CALL(SIGN_INIT, session, &ecdsa, key));
    EXPECT(0x90, CALL(SIGN_INIT, session, &ecdsa, key));
    EXPECT(0, CALL(SIGN, session, digest, 32ul, NULL, &length));
    CHECK(length == 64);
    length = 10;
    EXPECT(0x150, CALL(SIGN, session, digest, 32ul, buffer, &length));
    CHECK(length == 64);
    EXPECT(0, CALL(SIGN, session, digest, 32ul, buffer, &length));
    EXPECT(0x91, CALL(SIGN, session, digest, 32ul, buffer, &length));
    EXPECT(0, CALL(SIGN_INIT, session, &ecdsa, key));
    EXPECT(0x21, CALL(SIGN, session, digest, 33ul, buffer, &length));
    EXPECT(0, CALL(SIGN_INIT, session, &ecdsa, key));
    for (int i = 0; i < 16; i++) EXPECT(0, CALL(SIGN_UPDATE, session, digest, 2ul));
    EXPECT(0, CALL(SIGN_FINAL, session, buffer, &length));
    EXPECT(0, CALL(SIGN_INIT, session, &hashing, key));
    for (int i = 0; i < 100; i++) EXPECT(0, CALL(SIGN_UPDATE, session, buffer, 600ul));
    length = 0;
    EXPECT(0x150, CALL(SIGN_FINAL, session, buffer, &length));
    EXPECT(0, CALL(SIGN_FINAL, session, buffer, &length));
    CHECK(length == 64);
    EXPECT(0, CALL(SIGN_INIT, session, &rsa, rsa_key));
    length = sizeof buffer;
    EXPECT(0x20, CALL(SIGN, session, digest, 20ul, buffer, &length));

    EXPECT(0, CALL(LOGOUT, other));
    EXPECT(0x101, CALL(SIGN_INIT, session, &ecdsa, key));
    EXPECT(0, CALL(CLOSE_ALL_SESSIONS, info.slot));
    EXPECT(0xb3, CALL(CLOSE_SESSION, session));
    EXPECT(0, CALL(FINALIZE, NULL));
    EXPECT(0x190, CALL(CLOSE_ALL_SESSIONS, info.slot));
    initialize();
    sign(login(), key = find(login(), 3, 3), 6);
    EXPECT(0, CALL(FINALIZE, NULL));
    CHECK(threads_of_process() == 1);
}

static void *work(void *seed)
{
    ul_t session = login(), key = find(session, 3, 3);
    for (int i = 0; i < 5; i++) sign(session, key, (byte)(10 * (long)seed + i));
    EXPECT(0, CALL(CLOSE_SESSION, session));
    return NULL;
}

/* Eight threads log in at the same time and sign in sessions of their own. */
static void threads(void)
{
    pthread_t all[8];
    initialize();
    ul_t keep = open_session(0);
    for (long i = 0; i < 8; i++) CHECK(pthread_create(&all[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < 8; i++) pthread_join(all[i], NULL);
    EXPECT(0, CALL(CLOSE_SESSION, keep));
    EXPECT(0, CALL(FINALIZE, NULL));
    CHECK(threads_of_process() == 1);
}

/* After a fork the child must initialise the module again, and then has a state of its own. The parent continues. */
static void forked(void)
{
    initialize();
    ul_t session = login(), key = find(session, 3, 3);
    sign(session, key, 1);
    for (int initialise = 0; initialise < 2; initialise++) {
        pid_t child = fork();
        if (child == 0) {
            ul_t length = 64;
            byte buffer[64];
            EXPECT(0x190, CALL(SIGN, session, buffer, 32ul, buffer, &length));
            EXPECT(0x190, CALL(FINALIZE, NULL));
            if (initialise) {
                initialize();
                EXPECT(0xb3, CALL(CLOSE_SESSION, session));
                ul_t own = login();
                sign(own, find(own, 3, 3), 2);
                EXPECT(0, CALL(FINALIZE, NULL));
            }
            exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        sign(session, key, (byte)(3 + initialise));
    }
    EXPECT(0, CALL(FINALIZE, NULL));
}

static void *finish(void *unused)
{
    usleep(700000);
    EXPECT(0, CALL(FINALIZE, NULL));
    return unused;
}

/* C_Finalize while another thread signs: the signature fails, and neither thread hangs. */
static void finalize_in_the_middle(void)
{
    pthread_t other;
    initialize();
    ul_t session = login(), key = find(session, 3, 3);
    CHECK(pthread_create(&other, NULL, finish, NULL) == 0);
    struct mechanism ecdsa = { 0x1041, NULL, 0 };
    byte digest[32] = { 0 }, signature[64];
    rv_t rv = 0;
    for (int i = 0; i < 100000 && rv == 0; i++) {
        ul_t length = 64;
        memcpy(digest, &i, sizeof i);
        rv = CALL(SIGN_INIT, session, &ecdsa, key);
        if (rv == 0) rv = CALL(SIGN, session, digest, 32ul, signature, &length);
        usleep(5000);
    }
    CHECK(rv == 0x190);
    pthread_join(other, NULL);
    CHECK(threads_of_process() == 1);
}

static void *wait_in_login(void *session)
{
    return (void *)CALL(LOGIN, *(ul_t *)session, 1ul, NULL, 0ul);
}

/* While one thread waits for the quorum, other threads can list objects, and C_Finalize ends the wait. */
static void finalize_while_waiting(void)
{
    pthread_t other;
    void *rv;
    ul_t count;
    struct session_info info;
    initialize();
    ul_t session = open_session(0);
    CHECK(pthread_create(&other, NULL, wait_in_login, &session) == 0);
    usleep(1500000);
    EXPECT(0, CALL(GET_SLOT_LIST, (byte)1, NULL, &count));
    EXPECT(0, CALL(GET_SESSION_INFO, session, &info));
    CHECK(info.state == 0);
    CHECK(find(session, 2, 3) != 0);
    CHECK(find(open_session(0), 3, 3) == 0);
    EXPECT(0, CALL(FINALIZE, NULL));
    pthread_join(other, &rv);
    CHECK((rv_t)rv == 0x50);
    CHECK(threads_of_process() == 1);
}

/* Signs the same digest twice, each time after a line of input. */
static void sign_later(void)
{
    struct mechanism ecdsa = { 0x1041, NULL, 0 };
    byte digest[32] = { 77 }, signature[96];
    initialize();
    ul_t session = login(), key = find(session, 3, 3);
    for (int i = 0; i < 2; i++) {
        ul_t length = sizeof signature;
        puts("ready");
        getchar();
        EXPECT(0, CALL(SIGN_INIT, session, &ecdsa, key));
        printf("C_Sign 0x%lx\n", CALL(SIGN, session, digest, 32ul, signature, &length));
    }
}

static ul_t state_of(ul_t session)
{
    struct session_info info;
    EXPECT(0, CALL(GET_SESSION_INFO, session, &info));
    return info.state;
}

/* The lease ends twice from outside. The session becomes public again, C_Login opens the HSM anew, and handles stay valid.
   The second time, the program does not look at its session first. */
static void lease_ends(void)
{
    initialize();
    ul_t session = login(), key = find(session, 3, 3);
    sign(session, key, 81);
    puts("ready");
    getchar();
    for (int i = 0; state_of(session) == 1 && i < 600; i++) usleep(100000);
    CHECK(state_of(session) == 0);
    struct mechanism ecdsa = { 0x1041, NULL, 0 };
    EXPECT(0x101, CALL(SIGN_INIT, session, &ecdsa, key));
    EXPECT(0, CALL(LOGIN, session, 1ul, NULL, 0ul));
    CHECK(state_of(session) == 1);
    sign(session, key, 82);
    puts("ready");
    getchar();
    EXPECT(0, CALL(LOGIN, session, 1ul, NULL, 0ul));
    sign(session, key, 83);
    EXPECT(0x100, CALL(LOGIN, session, 1ul, NULL, 0ul));
    EXPECT(0, CALL(FINALIZE, NULL));
    CHECK(threads_of_process() == 1);
    puts("lease-ends ok");
}

/* The lease ends while a program with `wait_in = "sign"` is between two signatures. */
static void lease_of_a_key_ends(void)
{
    initialize();
    ul_t session = open_session(0), key = find(session, 3, 3);
    sign(session, key, 84);
    puts("ready");
    getchar();
    sleep(2); /* longer than the module relies on an answer */
    sign(session, key, 85);
    EXPECT(0, CALL(FINALIZE, NULL));
    puts("lease-of-a-key-ends ok");
}

static void session_info(void)
{
    initialize();
    ul_t session = login();
    puts("ready");
    getchar();
    for (int i = 0; i < 100000; i++) CHECK(state_of(session) == 1);
    EXPECT(0, CALL(FINALIZE, NULL));
    puts("session-info ok");
}

/* Calls every function that asks the server, which has become silent. */
static void silence(void)
{
    struct mechanism ecdsa = { 0x1041, NULL, 0 };
    byte digest[32] = { 86 }, signature[96];
    ul_t length = sizeof signature, count = 0;
    initialize();
    ul_t session = login(), key = find(session, 3, 3);
    puts("ready");
    getchar();
    EXPECT(0, CALL(SIGN_INIT, session, &ecdsa, key));
    printf("C_Sign 0x%lx\n", CALL(SIGN, session, digest, 32ul, signature, &length));
    sleep(6); /* longer than the module caches an answer */
    EXPECT(0, CALL(GET_SLOT_LIST, (byte)1, NULL, &count));
    printf("C_GetSlotList %lu\n", count);
    for (int i = 0; i < 1000; i++) CHECK(state_of(session) == 1);
    puts("C_GetSessionInfo");
    EXPECT(0x100, CALL(LOGIN, session, 1ul, NULL, 0ul));
    EXPECT(0, CALL(LOGOUT, session));
    printf("C_Login 0x%lx\n", CALL(LOGIN, session, 1ul, NULL, 0ul));
    EXPECT(0, CALL(FINALIZE, NULL));
}

/* When the server goes down, the slot remains and its token is absent. */
static void token_goes(void)
{
    ul_t count = 8, slots[8];
    byte info[512];
    initialize();
    first_slot();
    puts("ready");
    getchar();
    sleep(6); /* longer than the module caches an answer */
    EXPECT(0, CALL(GET_SLOT_LIST, (byte)1, NULL, &count));
    CHECK(count == 0);
    count = 8;
    EXPECT(0, CALL(GET_SLOT_LIST, (byte)0, slots, &count));
    CHECK(count == 1);
    EXPECT(0, CALL(GET_SLOT_INFO, slots[0], info));
    EXPECT(0xe0, CALL(GET_TOKEN_INFO, slots[0], info));
    EXPECT(0, CALL(FINALIZE, NULL));
}

static void unload(const char *module)
{
    for (int i = 0; i < 3; i++) {
        if (i) load(module);
        initialize();
        ul_t session = login();
        sign(session, find(session, 3, 3), (byte)(20 + i));
        if (i) EXPECT(0, CALL(FINALIZE, NULL));
        CHECK(dlclose(library) == 0);
        if (!i) { load(module); EXPECT(0, CALL(FINALIZE, NULL)); }
    }
}

static ul_t exit_slot;

static void at_exit(void)
{
    CALL(CLOSE_ALL_SESSIONS, exit_slot);
    CALL(FINALIZE, NULL);
    CALL(CLOSE_ALL_SESSIONS, exit_slot);
}

/* Programs may call the module in exit handlers without having logged out. */
static void ending(void)
{
    initialize();
    exit_slot = first_slot();
    atexit(at_exit);
    ul_t session = login();
    sign(session, find(session, 3, 3), 30);
    exit(0);
}

static void cycle(void)
{
    for (int i = 0; i < 2; i++) {
        byte info[512];
        ul_t count = 64, types[64];
        initialize();
        EXPECT(0, CALL(GET_INFO, info));
        EXPECT(0, CALL(GET_SLOT_INFO, first_slot(), info));
        EXPECT(0, CALL(GET_TOKEN_INFO, first_slot(), info));
        EXPECT(0, CALL(GET_MECHANISM_LIST, first_slot(), types, &count));
        for (ul_t m = 0; m < count; m++) EXPECT(0, CALL(GET_MECHANISM_INFO, first_slot(), types[m], info));
        ul_t session = login(), key = find(session, 3, 3);
        byte value[600];
        struct attribute all[] = { { 0x180, value, 64 }, { 0x181, value + 64, 100 }, { 3, value + 200, 100 } };
        EXPECT(0, CALL(GET_ATTRIBUTE_VALUE, session, key, all, 3ul));
        CHECK(find(session, 1, 0));
        sign(session, key, (byte)(40 + i));
        EXPECT(0, CALL(LOGOUT, session));
        EXPECT(0, CALL(CLOSE_SESSION, session));
        EXPECT(0, CALL(FINALIZE, NULL));
    }
    puts("cycle ok");
}

/* With COUNTERSIGN_WAIT_IN=sign a log-in is not needed: it neither waits nor prompts for a PIN. */
static void login_not_needed(void)
{
    byte info[512];
    ul_t flags;
    initialize();
    EXPECT(0, CALL(GET_TOKEN_INFO, first_slot(), info));
    memcpy(&flags, info + 96, sizeof flags);
    CHECK(!(flags & 0x4) && (flags & 0x100));
    ul_t session = open_session(0);
    CHECK(find(session, 3, 3));
    EXPECT(0, CALL(LOGIN, session, 1ul, NULL, 0ul));
    CHECK(find(session, 3, 3));
    EXPECT(0, CALL(LOGOUT, session));
    EXPECT(0, CALL(FINALIZE, NULL));
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    load(argv[1]);
    const char *what = argv[2];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(what, "login") || !strcmp(what, "login-later")) {
        initialize();
        ul_t session = open_session(0);
        if (!strcmp(what, "login-later")) {
            puts("ready");
            getchar();
        }
        rv_t rv = CALL(LOGIN, session, 1ul, NULL, 0ul);
        printf("C_Login 0x%lx\n", rv);
        return rv != 0;
    }
    if (!strcmp(what, "slots")) {
        ul_t count = 0;
        initialize();
        EXPECT(0, CALL(GET_SLOT_LIST, (byte)0, NULL, &count));
        printf("%lu slots\n", count);
        EXPECT(0, CALL(FINALIZE, NULL));
        return 0;
    }
    if (!strcmp(what, "rules")) rules();
    else if (!strcmp(what, "threads")) threads();
    else if (!strcmp(what, "fork")) forked();
    else if (!strcmp(what, "finalize-in-the-middle")) finalize_in_the_middle();
    else if (!strcmp(what, "finalize-while-waiting")) finalize_while_waiting();
    else if (!strcmp(what, "sign-later")) sign_later();
    else if (!strcmp(what, "token-goes")) token_goes();
    else if (!strcmp(what, "lease-ends")) lease_ends();
    else if (!strcmp(what, "lease-of-a-key-ends")) lease_of_a_key_ends();
    else if (!strcmp(what, "session-info")) session_info();
    else if (!strcmp(what, "silence")) silence();
    else if (!strcmp(what, "unload")) unload(argv[1]);
    else if (!strcmp(what, "exit")) ending();
    else if (!strcmp(what, "login-not-needed")) login_not_needed();
    else if (!strcmp(what, "cycle")) cycle();
    else return 2;
    return 0;
}
