"""Builds a bare image: compilers by name from PATH, CPU flags and linker script from the board."""

from pathlib import Path

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
linker_scripts = Path(env.subst("$PROJECT_DIR"), "ld")
cpu_flags = board.get("build.cpu_flags").split()
PREFIX = "arm-none-eabi-"

env.Replace(
    AR=PREFIX + "gcc-ar",
    AS=PREFIX + "gcc",
    CC=PREFIX + "gcc",
    CXX=PREFIX + "g++",
    OBJCOPY=PREFIX + "objcopy",
    RANLIB=PREFIX + "gcc-ranlib",
    SIZETOOL=PREFIX + "size",
    ARFLAGS=["rcD"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    SIZEPROGREGEXP=r"^(?:\.isr_vector|\.munas_digest|\.text|\.init_arrays|\.ARM\.exidx"
    r"|\.data|\.aot_models)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss|\.noinit|\.stack|\.staging|\.arena|\.ram_slot)\s+(\d+).*",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
)
env.Append(
    ASFLAGS=[*cpu_flags, "-x", "assembler-with-cpp"],
    CCFLAGS=[
        *cpu_flags,
        "-ffunction-sections",
        "-fdata-sections",
        "-fno-common",
        "-Wall",
        # The compilation must not depend on where the tree lies.
        f"-ffile-prefix-map={env.subst('$PROJECT_DIR')}=firmware",
        f"-ffile-prefix-map={env.subst('$PROJECT_BUILD_DIR')}=build",
    ],
    CFLAGS=["-std=gnu11"],
    CXXFLAGS=[
        "-std=gnu++17",
        "-fno-exceptions",
        "-fno-rtti",
        "-fno-threadsafe-statics",
        "-fno-use-cxa-atexit",
    ],
    LINKFLAGS=[
        *cpu_flags,
        "-nostartfiles",
        "--specs=nano.specs",
        "--specs=nosys.specs",
        "-Wl,--gc-sections",
        "-Wl,--no-warn-rwx-segments",
        "-Wl,-Map,$BUILD_DIR/firmware.map",
        f"-L{linker_scripts}",
    ],
    LIBS=["m", "c", "gcc"],
    CPPDEFINES=[("F_CPU", "$BOARD_F_CPU")],
)
if not env.get("LDSCRIPT_PATH"):
    env.Replace(LDSCRIPT_PATH=str(linker_scripts / board.get("build.ldscript")))

program = env.BuildProgram()
env.Depends(program, [env.File(str(script)) for script in sorted(linker_scripts.glob("*.ld"))])

target_size = env.Alias(
    "size", program, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE")
)
AlwaysBuild(target_size)
env.AddPlatformTarget(
    "upload", program, [env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")], "Upload"
)
Default([program, target_size])
