/* What Go's programs need of Windows and wine 8 lacks. They load bcryptprimitives.dll when
 * they start, for their random numbers. */
#include <windows.h>
#include <string.h>

BOOLEAN WINAPI SystemFunction036(PVOID buffer, ULONG size);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size)
{
	while (size > 0) {
		ULONG n = size > 1 << 30 ? 1 << 30 : (ULONG)size;
		if (!SystemFunction036(data, n))
			return FALSE;
		data += n;
		size -= n;
	}
	return TRUE;
}

typedef LONG(NTAPI *set_information)(HANDLE, PVOID, PVOID, ULONG, ULONG);
static set_information original;

/* os.RemoveAll asks for the delete of Windows 10, FileDispositionInformationEx, which wine
 * does not know. It gets the older FileDispositionInformation instead, if it wants to delete. */
static LONG NTAPI replacement(HANDLE file, PVOID status, PVOID data, ULONG size, ULONG class)
{
	BOOLEAN doit = TRUE;
	if (class == 64 && size >= sizeof(ULONG) && *(ULONG *)data & 1)
		return original(file, status, &doit, sizeof doit, 13);
	return original(file, status, data, size, class);
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved)
{
	/* mov r10, rcx; mov eax, number: how wine's system calls begin. They are 32 bytes
	 * apart at most, and run anywhere. */
	static const BYTE begin[] = {0x4c, 0x8b, 0xd1, 0xb8};
	static const BYTE jump[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0}; /* mov rax, address; jmp rax */
	BYTE *call, *copy;
	DWORD old;
	void *to = replacement;

	(void)self, (void)reserved;
	if (reason != DLL_PROCESS_ATTACH)
		return TRUE;
	call = (BYTE *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtSetInformationFile");
	if (!call || memcmp(call, begin, sizeof begin))
		return TRUE;
	copy = VirtualAlloc(NULL, 32, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	if (!copy || !VirtualProtect(call, sizeof jump, PAGE_EXECUTE_READWRITE, &old))
		return FALSE;
	memcpy(copy, call, 32);
	original = (set_information)copy;
	memcpy(call, jump, sizeof jump);
	memcpy(call + 2, &to, sizeof to);
	VirtualProtect(call, sizeof jump, old, &old);
	return TRUE;
}
